"""The version of jaxrec."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("jaxrec")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
