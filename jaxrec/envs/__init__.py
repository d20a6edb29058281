"""The societies. Importing this package registers them."""

from jaxrec.envs.learned import LearnedUsers
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import RewiringGame, RewiringMarket
from jaxrec.registration import register

register("LearnedUsers-v0", LearnedUsers)
register("PolarisingUsers-v0", PolarisingUsers)
register("PreferenceShift-v0", PreferenceShift)
register("RewiringGame-v0", RewiringGame)
register("RewiringMarket-v0", RewiringMarket)

__all__ = ["LearnedUsers", "PolarisingUsers", "PreferenceShift", "RewiringGame", "RewiringMarket"]
