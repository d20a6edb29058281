"""The societies. Importing this package registers them."""

from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.registry import register

register("PolarisingUsers-v0", PolarisingUsers)

__all__ = ["PolarisingUsers"]
