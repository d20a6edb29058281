"""The command `jaxrec`: a thin skin over the Python API."""

import importlib
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence

import jax
from rich.console import Console

from jaxrec import checks
from jaxrec.runtime import interruption, threefry, xla_flags
from jaxrec.training import TrainingError
from jaxrec.version import __version__

OVERVIEW = """usage: jaxrec COMMAND [OPTIONS]

What does a recommender do to the people it serves?

commands:
  list      the environments, their policies, and the studies with their presets
            the claims of a study:             jaxrec list tampering
  train     train a learner in a society:      jaxrec train PolarisingUsers-v0 --agent q-learning
  sweep     train it over a grid of settings:  jaxrec sweep PolarisingUsers-v0 --over params.influence=0,0.5,1
  run       run a study and write its report:  jaxrec run tampering --preset quick
            resume one that was cut off:       jaxrec run tampering --resume runs/DIR
  report    judge and draw a run again:        jaxrec report runs/DIR
  reproduce run a run again and compare:       jaxrec reproduce runs/DIR
  rollout   play whole episodes of a policy:   jaxrec rollout PolarisingUsers-v0 --policy bandit
  bench     time a policy on this machine:     jaxrec bench PolarisingUsers-v0
  incentives
            what a recommender could use users for, before any is trained:
                                               jaxrec incentives PolarisingUsers-v0 --out diagram.png
  audit     whether a learner does use them:   jaxrec audit PolarisingUsers-v0 --agent q-learning

jaxrec COMMAND --help explains each; jaxrec --version says which version this is.
What the command does, a notebook can do in the same few lines.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line `argv` (that of the process if None).

    Exits with 2, and one line, on bad input, where files cannot be written, and where a training goes wrong; after a
    signal with 128 and its number, and one line. The line says how to go on where a run can. Where nobody reads what it
    prints it exits as after SIGPIPE, without a line.
    """
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # orbax: pages about what the line says
    _write_any_text()
    if argv is None:  # else in somebody's process, whose settings are theirs
        xla_flags.tune()
        threefry.unroll()
    try:
        _obey(list(sys.argv[1:] if argv is None else argv))
    except checks.InputError as error:
        _say(str(error), "red")
        sys.exit(2)
    except BrokenPipeError:  # who read it has gone, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes out what is left as it ends
        sys.exit(128 + 13)  # SIGPIPE, which Windows has not
    except (TrainingError, OSError) as error:
        _say("; ".join([str(error), *getattr(error, "__notes__", [])]), "red")
        sys.exit(2)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "Out of memory" not in str(error):
            raise
        _say(f"this needs more memory than there is: {str(error).splitlines()[0]}", "red")
        sys.exit(2)
    except interruption.Interrupted as stop:
        _say("; ".join(["interrupted", *getattr(stop, "__notes__", [])]), "yellow")
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:  # where nothing is kept, and no handler waits
        _say("interrupted", "yellow")
        sys.exit(128 + signal.SIGINT)


def _obey(argv: list[str]) -> None:
    """Does what the command line says."""
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(OVERVIEW)
        return
    if argv[0] == "--version":
        sys.stdout.write(f"jaxrec {__version__}\n")
        return
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # where "module:Name" looks, last: a file here must not hide a library
    module = importlib.import_module(f"jaxrec.cli.{checks.lookup(COMMANDS, argv[0], 'command')}")
    getattr(module, f"{argv[0]}_command")(argv[1:])


def _write_any_text() -> None:
    """Lets stdout and stderr escape what they cannot encode, such as the name of a folder on an ASCII terminal."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook's is not, and encodes everything
            stream.reconfigure(errors="backslashreplace")


def _say(line: str, style: str) -> None:
    Console(stderr=True).print(f"jaxrec: {line}", style=style, highlight=False, markup=False, soft_wrap=True)


COMMANDS = {
    "list": "studies",
    "train": "train",
    "sweep": "sweep",
    "run": "studies",
    "report": "studies",
    "reproduce": "studies",
    "rollout": "rollouts",
    "bench": "rollouts",
    "incentives": "incentives",
    "audit": "audit",
}
"""The module of each command, imported where it is given; NAME_command in it runs NAME."""
