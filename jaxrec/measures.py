"""The measures of one step: the environment's metrics, the reward, and the three utilities."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.vectorized import Step

STEP = ("reward", "recommender", "user", "society")
"""Measures of every step."""

TRAINING = (
    "return", "episode_return", "episodes", "length", "asked", "epsilon", "loss", "policy_loss", "value_loss",
    "entropy", "approximate_kl", "grad_norm", "validation_loss", "seed", "seeds",
)  # fmt: skip
"""Names in the tables of evaluations and trainings."""

RESERVED = frozenset((*STEP, *TRAINING))
"""Names that no metric of an environment may have: it would overwrite the other measure."""


def measure(env: Environment, params: PyTree, step: Step) -> dict[str, Array]:
    """Measures one transition of one environment.

    Args:
        env: the society.
        params: its run-time values.
        step: one transition; leaves have no batch axis.

    Returns:
        Measure -> float[]: `env.metrics`, `reward`, and the utilities (`user` is the mean over users). One of
        `env.sparse_metrics` is NaN if the step has no such value.

    Raises:
        InputError: if a metric has a reserved name, or is no scalar.
    """
    metrics = env.metrics(step.state, step.action, step.next_state, params)
    check_names(env, metrics)
    utilities = env.utilities(step.state, step.action, step.next_state, params)
    measured = metrics | {
        "reward": step.reward,
        "recommender": utilities.recommender,
        "user": jnp.mean(utilities.user),
        "society": utilities.society,
    }
    return {name: jnp.asarray(value, float) for name, value in measured.items()}


def check_names(env: Environment, metrics: Mapping[str, ArrayLike | jax.ShapeDtypeStruct]) -> None:
    """Raises InputError if a metric of `env` overwrites a measure that every step has, or is no scalar."""
    for name, value in metrics.items():
        if name in RESERVED:
            raise checks.InputError(
                f"metrics of {env.name} must not be called {name!r}, a measure of every environment: rename it"
            )
        if jnp.shape(value):
            raise checks.InputError(
                f"metrics of {env.name} must be scalars, got {name!r} of shape {list(jnp.shape(value))}"
            )
    for name in env.sparse_metrics:
        checks.lookup(metrics, name, f"metric of {env.name} (in sparse_metrics)")


@lru_cache(maxsize=64)  # agents are checked wherever their PyTrees are built anew
def check_logged(env: Environment, names: tuple[str, ...]) -> None:
    """Raises InputError for metrics to log that `env` has not, or that stand twice."""
    if not names:
        return
    key, params = jax.random.key(0), env.default_params
    _, state = jax.eval_shape(env.reset_env, key, params)
    action = jax.eval_shape(env.action_space(params).sample, key)
    measured = jax.eval_shape(env.metrics, state, action, state, params)
    check_names(env, measured)
    checks.distinct("log_metrics", names)
    for name in names:
        checks.lookup(measured, name, f"metric of {env.name}")


def wanted(names: Sequence[str]) -> tuple[str, ...]:
    """Gives `names`, and `reward` if it is not among them; whether an environment has them `present` checks.

    Raises:
        InputError: for no name, one that stands twice, and a string in place of names.
    """
    if isinstance(names, str):
        raise checks.InputError(f"metrics must be names, such as ({names!r},), got {names!r}")
    checks.distinct("metrics", names)
    return tuple(dict.fromkeys((*names, "reward")))


def present(
    env: Environment, measured: dict[str, Array], names: tuple[str, ...] | None = None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Separates measures from whether they are there.

    Args:
        env: says which may be missing.
        measured: measure -> float[], NaN where it is missing.
        names: of the measures to keep; all if None.

    Returns:
        (the measures, with 0 for missing ones; for each of `env.sparse_metrics` 1.0 if present, else 0.0).

    Raises:
        InputError: for a name that is no measure of `env`.
    """
    if names is not None:
        measured = {name: checks.lookup(measured, name, f"measure of {env.name}") for name in names}
    exists = {name: ~jnp.isnan(measured[name]) for name in env.sparse_metrics if name in measured}
    filled = {name: jnp.where(known, measured[name], 0) for name, known in exists.items()}
    return measured | filled, {name: known.astype(measured[name].dtype) for name, known in exists.items()}


def means(sums: dict[str, Array], present: dict[str, Array], count: Array | int) -> dict[str, Array]:
    """Divides sums of measures by the number of their values.

    Args:
        sums: measure -> float array of any shape.
        present: sparse measure -> the number of its values, float of the same shape.
        count: the number of values of the others.

    Returns:
        Measure -> float of the same shape; NaN for a sparse measure without values.
    """
    counts = {name: jnp.where(known > 0, known, jnp.nan) for name, known in present.items()}
    return {name: total / counts.get(name, count) for name, total in sums.items()}
