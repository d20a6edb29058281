"""What one step is measured by: the environment's metrics, the reward, and the three utilities."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.vectorized import Step

STEP = ("reward", "recommender", "user", "society")
"""What every step is measured by."""

TRAINING = (
    "return", "episode_return", "episodes", "length", "asked", "epsilon", "loss", "policy_loss", "value_loss",
    "entropy", "approximate_kl", "grad_norm", "validation_loss", "seed", "seeds",
)  # fmt: skip
"""What evaluations, trainings and their tables report."""

RESERVED = frozenset((*STEP, *TRAINING))
"""No metric of an environment may bear one of these names: the one would overwrite the other."""


def measure(env: Environment, params: Any, step: Step) -> dict[str, Array]:
    """Every measure of one transition of one environment, as float[].

    Args:
        env: the society.
        params: its run-time values.
        step: one transition; leaves have no batch axis.

    Returns:
        `env.metrics`, `reward`, and the utilities (`user` is the mean over users). NaN in one of `env.sparse_metrics`
        says that the step has no such value.

    Raises:
        InputError: if a metric bears a reserved name, or is no scalar.
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


def check_names(env: Environment, metrics: dict[str, Any]) -> None:
    """Raises InputError if a metric of `env` overwrites a measure that every step has, or is no scalar."""
    for name, value in metrics.items():
        if name in RESERVED:
            raise checks.InputError(
                f"metrics of {env.name} must not be called {name!r}, which is reported of everything: rename it"
            )
        if jnp.shape(value):
            raise checks.InputError(
                f"metrics of {env.name} must be scalars, got {name!r} of shape {list(jnp.shape(value))}"
            )
    for name in env.sparse_metrics:
        checks.lookup(metrics, name, f"metric of {env.name} (in sparse_metrics)")


def check_logged(env: Environment, names: tuple[str, ...]) -> None:
    """Raises InputError for metrics to log that `env` has not, or that stand twice."""
    if not names:
        return
    key, params = jax.random.key(0), env.default_params
    _, state = jax.eval_shape(env.reset_env, key, params)
    measured = jax.eval_shape(env.metrics, state, jnp.int32(0), state, params)
    check_names(env, measured)
    checks.distinct("log_metrics", names)
    for name in names:
        checks.lookup(measured, name, f"metric of {env.name}")


def present(env: Environment, measured: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """(the measures with 0 for what is missing, float 1 or 0: whether each of `env.sparse_metrics` is there)."""
    there = {name: ~jnp.isnan(measured[name]) for name in env.sparse_metrics}
    filled = {name: jnp.where(known, measured[name], 0) for name, known in there.items()}
    return measured | filled, {name: known.astype(measured[name].dtype) for name, known in there.items()}


def means(sums: dict[str, Array], there: dict[str, Array], count: Any) -> dict[str, Array]:
    """Means of sums over `count` values; over those that are there for sparse metrics, NaN where none is."""
    counts: dict[str, Any] = {name: jnp.where(known > 0, known, jnp.nan) for name, known in there.items()}
    return {name: total / counts.get(name, count) for name, total in sums.items()}
