"""Gymnasium's ids of the registered environments."""

import gymnasium

from jaxrec.registration import registered_envs

NAMESPACE = "jaxrec"
"""What stands before the id of an environment in Gymnasium."""


def register() -> list[str]:
    """Makes every environment of `jaxrec.registered_envs()` known to `gymnasium.make` and `make_vec`.

    Call it again after `jaxrec.register`; what Gymnasium knows already is left alone.

    Returns:
        The ids, such as "jaxrec/PolarisingUsers-v0".
    """
    ids = {f"{NAMESPACE}/{name}": name for name in registered_envs()}
    for full, name in ids.items():
        if full not in gymnasium.registry:
            gymnasium.register(
                full, f"{__package__}:Env", vector_entry_point=f"{__package__}:VectorEnv", kwargs={"env": name}
            )
    return list(ids)
