"""Environments by id: `make` builds one, `register` adds one."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from jaxrec import checks
from jaxrec.environment import Environment

_FACTORIES: dict[str, Callable[..., Environment]] = {}


@checks.known_keywords
def register(env_id: str, factory: Callable[..., Environment]) -> None:
    """Makes `factory` known to `make` as `env_id`.

    Raises:
        InputError: if the id is no string, empty or registered already, or the factory not callable.
    """
    if not isinstance(env_id, str):
        raise checks.InputError(f"env_id must be a string, got {env_id!r}")
    if not callable(factory):
        raise checks.InputError(f"factory of {env_id!r} must be callable, got {factory!r}")
    if not env_id:
        raise checks.InputError("env_id must not be empty")
    if env_id in _FACTORIES:
        raise checks.InputError(f"env_id {env_id!r} is already registered")
    _FACTORIES[env_id] = factory


def registered_envs() -> list[str]:
    """The ids that `make` knows."""
    return sorted(_FACTORIES)


def make(env_id: str, **kwargs: object) -> tuple[Environment, Any]:
    """Builds the environment `env_id`, with its default parameters.

    Args:
        env_id: one of `registered_envs()`, or "module:Name" for an environment of one's own that can be imported.
        **kwargs: constructor arguments, which fix shapes. Run-time values are set afterwards, by
            `params.replace(influence=0.0)`.

    Returns:
        The environment and its default parameters.

    Raises:
        InputError: if the id is unknown (the message names the nearest), or what it names cannot be imported.
        InputError: if the constructor does not take an argument.
    """
    env = build(env_id, **kwargs)
    return env, env.default_params


def build(env_id: str, **kwargs: object) -> Environment:
    """Builds the environment `env_id` alone, as `make` does: default parameters may be large."""
    if not isinstance(env_id, str):
        raise checks.InputError(f"env_id must be one of {registered_envs()}, got {checks.brief(env_id)}")
    factory = _imported(env_id) if ":" in env_id else checks.lookup(_FACTORIES, env_id, "environment")
    signature = inspect.signature(factory)
    try:
        signature.bind(**kwargs)
    except TypeError as error:
        known = dict(signature.parameters)
        unknown = next((name for name in kwargs if name not in known), None)
        with checks.prefixed(f"{env_id}: {error}; run-time values are set with params.replace(...)"):
            checks.lookup(known, unknown or "", "constructor argument")
    return factory(**kwargs)


def _imported(env_id: str) -> Callable[..., Environment]:
    """Imports what "module:Name" names."""
    module, _, name = env_id.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise checks.InputError(f"env_id={env_id!r} must name a class that can be imported: {error}") from error
    if not (isinstance(factory, type) and issubclass(factory, Environment)):
        raise checks.InputError(f"env_id={env_id!r} must name a class of environments, got {checks.brief(factory)}")
    return factory
