"""Environments for Gymnasium 1.x and for what learns through it; needs the extra `jaxrec[gymnasium]`.

    import gymnasium
    import jaxrec.gymnasium

    env = gymnasium.make("jaxrec/PolarisingUsers-v0", horizon=10)
    envs = gymnasium.make_vec("jaxrec/PolarisingUsers-v0", num_envs=64)

Importing this module registers every environment of `jaxrec.registered_envs()`; `register` adds those that came later.
Gymnasium 1.0 gave up entry points of installed packages, so that an import is its own way: a program that imports
nothing else writes `gymnasium.make("jaxrec.gymnasium:jaxrec/PolarisingUsers-v0")`. `import jaxrec` does not import
Gymnasium. Stable-Baselines3 has a class of its own in `jaxrec.gymnasium.stable_baselines3`.
"""

from jaxrec.gymnasium.ids import NAMESPACE, register
from jaxrec.gymnasium.single import Env
from jaxrec.gymnasium.spaces import to_gymnasium
from jaxrec.gymnasium.vector import VectorEnv

__all__ = ["NAMESPACE", "Env", "VectorEnv", "register", "to_gymnasium"]

register()
