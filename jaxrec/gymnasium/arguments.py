"""Arguments that the classes of this package have in common."""

from typing import Any

from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.inputs import check_env
from jaxrec.parameters import canonical
from jaxrec.registration import build


def built(env: str | Environment, settings: dict[str, Any]) -> Environment:
    """Builds an environment by its id, or takes one that is built.

    Args:
        env: an id of `jaxrec.make`, or an environment.
        settings: constructor arguments of the environment; none for one that is built.

    Returns:
        The environment.

    Raises:
        InputError: for an unknown id or setting, and for settings of an environment that is built.
    """
    if isinstance(env, str):
        return build(env, **settings)
    check_env(env)
    if settings:
        raise checks.InputError(f"{next(iter(settings))} must be set where {env.name} is built, not here")
    return env


def params_of(env: Environment, options: dict[str, Any] | None, params: PyTree) -> PyTree:
    """Gives the run-time values from a reset on.

    Args:
        env: the environment.
        options: those of `reset`; "params" replaces the values.
        params: the values so far.

    Returns:
        The values, checked, as arrays.

    Raises:
        InputError: for another option, and for values that the environment refuses.
    """
    for name in options or {}:
        checks.lookup({"params": None}, name, "option of reset")
    return canonical(env.resolve((options or {}).get("params", params)))
