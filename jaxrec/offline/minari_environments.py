"""Environments as specifications of Gymnasium, which a dataset of Minari keeps to build its environment again."""

import dataclasses
import importlib
import json
from operator import methodcaller
from typing import Any

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.registration import build, registered_envs
from jaxrec.wrappers import TimeLimit

EnvSpec = Any  # of an extra, which is imported where a dataset is written or read

ENTRY_POINT, VECTOR_ENTRY_POINT = "jaxrec.gymnasium:Env", "jaxrec.gymnasium:VectorEnv"
"""The classes that Gymnasium builds from a specification."""


def extra(name: str) -> Any:
    """Imports a module that the extra `minari` brings. Raises InputError, which says how to get it, without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise checks.InputError(f"{error.name or name} is missing: pip install jaxrec[minari]") from error


def spec_of(env: Environment) -> EnvSpec | None:
    """Gives the specification from which `gymnasium.make` builds an equal environment.

    A registered environment has the id `jaxrec/NAME`. Another one has the name of its class, which must be one that can
    be imported. Constructor arguments other than the defaults are kwargs, a `TimeLimit` is `max_episode_steps`.
    Run-time values are no part of it: `gymnasium.make(spec, params=...)` takes them.

    Returns:
        A `gymnasium.envs.registration.EnvSpec`; None for arguments that JSON cannot hold, such as functions, for other
        wrappers, and for a class of the program itself (`__main__`) that is not registered.
    """
    inner, limit = (env.env, env.max_steps) if type(env) is TimeLimit else (env, None)
    settings = _settings(inner)
    name = None if settings is None else next((each for each in _names(inner) if _builds(each, settings, inner)), None)
    if settings is None or name is None:
        return None
    door = extra("jaxrec.gymnasium")
    return extra("gymnasium.envs.registration").EnvSpec(
        f"{door.NAMESPACE}/{name.split(':')[-1]}",
        ENTRY_POINT,
        max_episode_steps=limit,
        kwargs={"env": name, **settings},
        vector_entry_point=VECTOR_ENTRY_POINT,
    )


def env_of(spec: EnvSpec | None) -> Environment | None:
    """Builds the environment of a specification, without its wrappers; None if it is none of jaxrec."""
    if spec is None or spec.entry_point != ENTRY_POINT:
        return None
    return extra("jaxrec.gymnasium").Env(**spec.kwargs).env


def _settings(env: Environment) -> dict[str, Any] | None:
    """Gives the constructor arguments that differ from their defaults, as JSON has them; None if it has not."""
    fields = dataclasses.fields(env) if dataclasses.is_dataclass(env) else ()
    values = ((field, getattr(env, field.name)) for field in fields if field.init)
    changed = {field.name: value for field, value in values if value != _default(field)}
    try:
        return json.loads(json.dumps(changed, default=methodcaller("item")))  # of numbers of NumPy
    except (AttributeError, TypeError, ValueError):
        return None


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _names(env: Environment) -> list[str]:
    """Lists what `jaxrec.make` might build the environment from, registered names first."""
    kind = type(env)
    return [*registered_envs(), *([] if kind.__module__ == "__main__" else [f"{kind.__module__}:{kind.__qualname__}"])]


def _builds(name: str, settings: dict[str, Any], env: Environment) -> bool:
    """Tells whether `jaxrec.make` builds an equal environment from a name; other societies may refuse the settings."""
    try:
        return build(name, **settings) == env
    except (TypeError, ValueError):
        return False
