"""Off-policy evaluation: what a policy would earn an episode, from the logs of others, with an interval over users."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.estimation.logs import Logs
from jaxrec.estimation.recording import replay
from jaxrec.inputs import check_acts, check_env, check_policy
from jaxrec.offline import estimators
from jaxrec.offline.estimators import Judged, Terms
from jaxrec.offline.transitions import Transitions, check_actions, check_table, observed, transitions
from jaxrec.policy import Stochastic
from jaxrec.runtime.jit_by_class import jit
from jaxrec.statistics import CONFIDENCE, Estimate

FITTED_Q = "fitted Q"


@dataclass(frozen=True)
class Method:
    """A way to estimate.

    Attributes:
        terms: of one trajectory.
        propensities: whether it reads those of the logs.
        model: whether it needs a fitted Q, and so observations that can be indexed.
    """

    terms: Callable[[Judged, ArrayLike], Terms]
    propensities: bool
    model: bool


METHODS = {
    "importance sampling": Method(estimators.importance_sampling, True, False),
    "per-decision": Method(estimators.per_decision, True, False),
    "weighted": Method(estimators.weighted, True, False),
    "doubly robust": Method(estimators.doubly_robust, True, True),
    FITTED_Q: Method(estimators.direct, False, True),
}


def estimate_value(
    env: Environment,
    logs: Logs,
    policy: Stochastic,
    key: Array,
    method: str = "doubly robust",
    gamma: float = 1.0,
    num_resamples: int = 200,
    unseen: float = 0.0,
    folds: int = 2,
) -> Estimate:
    """Estimates what a policy would earn an episode, where it was never deployed.

    The interval is that of the bootstrap over users (percentiles); one whose sessions are rows of one `logs.identity`
    is drawn with all of them. Fitted Q is fitted again for each; the Q of doubly robust is held fixed. Methods that
    weigh by ratios give too narrow ones where few users did what the policy would do: those who count are missing.

    Args:
        env: whose observations and actions were logged; nothing is simulated in it.
        logs: with actions, rewards and observations, and propensities unless the method is "fitted Q". What follows a
            user's last step counts 0.
        policy: gives probabilities; it is replayed on the logged observations.
        key: a typed key, for the resamples, and for the policy's first carry.
        method: one of `METHODS`.
        gamma: the discount, in [0, 1].
        num_resamples: of the bootstrap, at least 2.
        unseen: for fitted Q, the value of an action that was never logged at an observation.
        folds: for doubly robust, the parts of the users, each judged with the Q of the others (cross-fitting:
            unbiased, but cells that the others never saw weigh in by their ratios); 1 takes one Q, fitted to all users.

    Returns:
        The estimate with its 95 % interval.

    Raises:
        InputError: for logs that lack what the method reads, a policy that does not fit, or a number out of range.
    """
    chosen = _check(env, logs, policy, key, method)
    _check_numbers(logs, gamma, num_resamples, unseen, folds)
    key_policy, key_draws = jax.random.split(key)
    who = _identities(logs)
    weights = _resampled(key_draws, who, num_resamples)
    chances = replayed(env, logs, policy, key_policy)
    if method == FITTED_Q:
        values = np.asarray(_refitted(env, logs, chances, jnp.asarray(weights, float), gamma, unseen), float)
    else:
        terms = _terms(env, logs, chances, gamma, unseen, chosen, jnp.asarray(who % folds), folds)
        numerator, denominator = (weights @ np.asarray(part, float) for part in _checked(method, *terms))
        values = np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), 0).sum(axis=1)
    low, high = np.quantile(values[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(float(values[0]), float(low), float(high))


def _identities(logs: Logs) -> np.ndarray:
    """int[rows]: the number of the user that each row is of, from 0 without gaps."""
    if logs.identity is None:
        return np.arange(logs.num_users)
    return np.unique(np.asarray(logs.identity), return_inverse=True)[1]


def _resampled(key: Array, who: np.ndarray, number: int) -> np.ndarray:
    """float[1 + number, rows]: how often the user of each row is drawn; once each in the first row."""
    rng, users = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist()), who.max() + 1
    draws = [np.bincount(rng.integers(users, size=users), minlength=users)[who] for _ in range(number)]
    return np.stack([np.ones(len(who)), *draws])


def _check(env: Environment, logs: Logs, policy: Stochastic, key: Array, name: str) -> Method:
    """Gives the method called `name`, once logs, policy and key are what it takes."""
    method = checks.lookup(METHODS, name, "method")
    check_env(env)
    checks.typed_key("key", key)
    check_policy(policy)
    if not isinstance(policy, Stochastic):
        raise checks.InputError(f"policy must have probabilities(carry, obs), got {checks.brief(policy)}")
    check_acts(policy, env, jax.eval_shape(env.reset_env, key, env.default_params)[0])
    (check_table if method.model else check_actions)(env, logs, name)
    if method.propensities:
        logs.require("propensities", reader=name)
    return method


def _check_numbers(logs: Logs, gamma: float, num_resamples: int, unseen: float, folds: int) -> None:
    checks.within("gamma", gamma, 0.0, 1.0)
    checks.bounded(unseen, "unseen")
    checks.positive("num_resamples", num_resamples)
    checks.within("num_resamples", num_resamples, 2, checks.MOST_STEPS)
    checks.positive("folds", folds, int(_identities(logs).max()) + 1)


def _checked(method: str, *parts: Array) -> tuple[Array, ...]:
    """Raises InputError where a product of ratios left float32."""
    if not all(np.isfinite(part).all() for part in parts):
        raise checks.InputError(f"{method} needs ratios whose product float32 holds: the logs have too many steps")
    return parts


@jit(static_argnames="env")
def replayed(env: Environment, logs: Logs, policy: Stochastic, key: Array) -> Float[Array, "users steps actions"]:
    """Gives the probability of each action at every logged observation.

    Args:
        env: whose observations were logged.
        logs: the logs.
        policy: which might have acted.
        key: a typed key, for its first carry.

    Returns:
        The probabilities.
    """
    keys = jax.random.split(key, logs.num_users)
    return jax.vmap(partial(replay, policy))(observed(env, logs), keys)


@jit(static_argnames=("env", "method", "folds"))
def _terms(
    env: Environment,
    logs: Logs,
    chances: Array,
    gamma: ArrayLike,
    unseen: ArrayLike,
    method: Method,
    fold: Array,
    folds: int,
) -> tuple[Array, Array]:
    """The terms of every user, float[users, terms]."""
    valid, chosen = jnp.asarray(logs.valid), _of_action(chances, logs.actions)
    ratio = jnp.where(valid, chosen / logs.propensities, 1) if method.propensities else jnp.ones(valid.shape)
    q = v = jnp.zeros(valid.shape)
    if method.model:
        steps = transitions(env, logs)
        for part in range(folds):
            others = fold != part if folds > 1 else fold == part
            of_all = fitted_q(env, steps, chances, gamma, unseen, others)[steps.here]
            mine = (fold == part)[:, None] & valid
            q = jnp.where(mine, _of_action(of_all, logs.actions), q)
            v = jnp.where(mine, (chances * of_all).sum(axis=-1), v)
    judged = Judged(ratio, jnp.where(valid, logs.rewards, 0), q, v)
    return jax.vmap(method.terms, in_axes=(0, None))(judged, gamma)


@jit(static_argnames="env")
def _refitted(
    env: Environment, logs: Logs, chances: Array, weights: Array, gamma: ArrayLike, unseen: ArrayLike
) -> Float[Array, " resamples"]:
    """The fitted value of the policy for each row of weights of users."""
    steps = transitions(env, logs)

    def value(weight: Array) -> Array:
        table = fitted_q(env, steps, chances, gamma, unseen, weight)
        return (weight * (chances[:, 0] * table[steps.here[:, 0]]).sum(axis=-1)).sum() / weight.sum()

    return jax.lax.map(value, weights)


def fitted_q(
    env: Environment, steps: Transitions, chances: Array, gamma: ArrayLike, unseen: ArrayLike, weight: Array
) -> Float[Array, "observations actions"]:
    """Fits the action values of a policy to logs: fitted Q evaluation with a table.

    Each pass averages reward + gamma sum over a of pi(a | o') Q(o', a) over the steps of each cell (Le, Voloshin & Yue
    2019, "Batch policy learning under constraints", Algorithm 3). There are as many passes as the longest log has
    steps: no return is longer.

    Args:
        env: supplies the numbers of observations and actions.
        steps: the logs.
        chances: float[users, steps, actions], the policy's probabilities at every logged observation.
        gamma: the discount, float[].
        unseen: the value of a cell that no step is of, float[].
        weight: float[users], how much each user counts.

    Returns:
        The action values.
    """
    assert env.num_observations is not None  # `check_table` refuses such an environment
    steps = steps.replace(weight=steps.weight * weight[:, None])
    counts = steps.counts((env.num_observations, env.num_actions))
    later = jnp.concatenate([chances[:, 1:], jnp.zeros_like(chances[:, :1])], axis=1)

    def sweep(_: Array | int, q: Array) -> Array:
        future = jnp.where(steps.ends, 0, (later * q[steps.there]).sum(axis=-1))
        return steps.means(steps.reward + gamma * future, counts, unseen)

    return jax.lax.fori_loop(0, steps.reward.shape[1], sweep, jnp.zeros(counts.shape))


def _of_action(values: Array, actions: Array) -> Array:
    """Takes the value of each action taken, [users, steps], from [users, steps, actions]."""
    return jnp.take_along_axis(values, jnp.asarray(actions)[..., None], axis=-1)[..., 0]
