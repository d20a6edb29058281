"""`python -m jaxrec` is the command `jaxrec`."""

from jaxrec.cli import main

main()
