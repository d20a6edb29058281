"""Users learned without a network: a hidden Markov model of preferences, fitted to slates and choices by Baum-Welch.

Baum, Petrie, Soules & Weiss 1970, "A maximization technique occurring in the statistical analysis of probabilistic
functions of Markov chains"; scaled as by Rabiner 1989, "A tutorial on hidden Markov models", section V.A. How users
choose is given; what is learned is where they begin and how each slate moves them (Carroll et al. 2022, section 4,
learn the same by networks).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxrec import checks
from jaxrec.estimation.logs import Logs
from jaxrec.utilities import Leaf

STAYS = 0.9  # how likely a preference is to stay, where the search begins


class HiddenMarkov(struct.PyTreeNode):
    """Users as a hidden Markov model with a kernel for each slate.

    Attributes:
        prior: float[bins], the distribution of the first preference.
        shift: float[slates, bins, bins], the distribution of the next preference (last axis) after each slate.
    """

    prior: Leaf
    shift: Leaf


class Fitted(NamedTuple):
    """What Baum-Welch comes to.

    Attributes:
        model: after the last iteration.
        log_likelihood: float[iterations], of a user's choices, the mean over users, before each iteration; -inf where
            some user's choices are impossible by `start`.
    """

    model: HiddenMarkov
    log_likelihood: Array


class _Pass(NamedTuple):
    """Both passes: of the step given choices up to it, and of later choices given the step, [steps, users, bins]."""

    filtered: Array
    later: Array
    scale: Array


def baum_welch(
    logs: Logs,
    choice: Float[Array, "slates bins items"],
    iterations: int = 50,
    start: HiddenMarkov | None = None,
    strength: float = 0.0,
) -> Fitted:
    """Fits where users begin and how each slate moves them, by expectation maximisation.

        logs, _ = record(env, env.policy("random"), key, 2000)
        fitted = baum_welch(logs, env.tables(params).choice)

    Args:
        logs: with actions, the numbers of the slates, and choices.
        choice: how users choose: P(item | slate, preference). Rows sum to 1.
        iterations: at least 1; none lowers the likelihood, but for `strength`.
        start: where the search begins: a uniform prior and preferences that mostly stay, if None. What has probability
            0 there keeps it.
        strength: from 0; so many transitions by the kernels of `start` are counted from every preference besides those
            of the logs (the mode under a Dirichlet prior), for logs that seldom show some slate to some users.

    Returns:
        The model, and the likelihood on the way. Rows that no user was in stay as they were.

    Raises:
        InputError: for logs without actions or choices, those of other slates or items, choices that no preference
            makes, and numbers out of range.
    """
    checks.positive("iterations", iterations, checks.MOST_STEPS)
    checks.within("strength", strength, 0.0, checks.LARGEST)
    start = _start(choice) if start is None else start
    _check(logs, choice, start)
    return _fit(start, _evidence(logs, choice), *_steps(logs), jnp.float32(strength), iterations)


def smoothed(
    model: HiddenMarkov, logs: Logs, choice: Float[Array, "slates bins items"]
) -> Float[Array, "users steps bins"]:
    """Computes what is believed of every user's preference at every step, given all of the user's choices.

    Args:
        model: of the users.
        logs: with actions and choices.
        choice: see `baum_welch`.

    Returns:
        Distributions; after a user's last step those that the model rolls forward under action 0.

    Raises:
        InputError: for logs without actions or choices, and those of other slates or items.
    """
    _check(logs, choice, model)
    found = _passes(model, _evidence(logs, choice), *_steps(logs))
    posterior = found.filtered * found.later
    return (posterior / posterior.sum(axis=-1, keepdims=True)).swapaxes(0, 1)


@jax.jit(static_argnames="iterations")
def _fit(
    model: HiddenMarkov, evidence: Array, actions: Array, valid: Array, strength: Array, iterations: int
) -> Fitted:
    shift = model.shift

    def improve(model: HiddenMarkov, _: None) -> tuple[HiddenMarkov, Array]:
        found = _passes(model, evidence, actions, valid)
        first = found.filtered[0] * found.later[0]
        possible = first.sum(axis=-1, keepdims=True)  # users whom the model rules out say nothing of where they begin
        prior = jnp.where(possible > 0, first / jnp.where(possible > 0, possible, 1), model.prior).mean(axis=0)
        before = found.filtered[:-1]
        after = evidence[1:] * found.later[1:] / _divisor(found.scale[1:])[..., None] * valid[1:, :, None]
        shown = jax.nn.one_hot(actions[:-1], len(shift), dtype=before.dtype)
        counts = model.shift * jnp.einsum("tua,tui,tuj->aij", shown, before, after) + strength * shift
        rows = counts.sum(axis=-1, keepdims=True)
        kernels = jnp.where(rows > 0, counts / jnp.where(rows > 0, rows, 1), model.shift)
        likelihood = jnp.where(valid, jnp.log(found.scale), 0).sum(axis=0).mean()
        return HiddenMarkov(prior, kernels), likelihood

    return Fitted(*jax.lax.scan(improve, model, None, iterations))


def _passes(
    model: HiddenMarkov,
    evidence: Float[Array, "steps users bins"],
    actions: Int[Array, "steps users"],
    valid: Bool[Array, "steps users"],
) -> _Pass:
    """Goes forward and backward through the steps of all users at once, scaled at each step."""

    def moved(belief: Array, action: Array) -> Array:
        by_each = jnp.einsum("ui,aij->uaj", belief, model.shift)
        return jnp.take_along_axis(by_each, action[:, None, None], axis=1)[:, 0]

    def forward(belief: Array, step: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        seen, action = step
        joint = belief * seen
        scale = joint.sum(axis=-1)
        joint = joint / _divisor(scale)[:, None]
        return moved(joint, action), (joint, scale)

    def backward(message: Array, step: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        seen, action, scale = step
        by_each = jnp.einsum("aij,uj->uai", model.shift, message)
        later = jnp.take_along_axis(by_each, action[:, None, None], axis=1)[:, 0]
        return later * seen / _divisor(scale)[:, None], later

    first = jnp.broadcast_to(model.prior, evidence.shape[1:])
    _, (filtered, scale) = jax.lax.scan(forward, first, (evidence, actions))
    _, later = jax.lax.scan(backward, jnp.ones_like(first), (evidence, actions, scale), reverse=True)
    return _Pass(filtered, later, scale)


def _divisor(scale: Array) -> Array:
    """`scale`, and 1 where nothing is left to be scaled."""
    return jnp.where(scale > 0, scale, 1)


def _steps(logs: Logs) -> tuple[Array, Array]:
    """(int[steps, users] actions, bool[steps, users] valid)."""
    return jnp.maximum(jnp.asarray(logs.actions), 0).T, jnp.asarray(logs.valid).T


def _evidence(logs: Logs, choice: Array) -> Array:
    """float[steps, users, bins]: the probability of each choice by preference; 1 after the last step."""
    actions, valid = _steps(logs)
    seen = jnp.asarray(choice)[actions, :, jnp.maximum(jnp.asarray(logs.choices), 0).T]
    return jnp.where(valid[..., None], seen, 1.0)


def _start(choice: Array) -> HiddenMarkov:
    slates, bins, _ = choice.shape
    kernel = STAYS * jnp.eye(bins) + (1 - STAYS) / bins
    return HiddenMarkov(jnp.full(bins, 1 / bins), jnp.broadcast_to(kernel, (slates, bins, bins)))


def _check(logs: Logs, choice: Array, model: HiddenMarkov) -> None:
    logs.require("actions", "choices", reader="Baum-Welch")
    slates, bins, items = choice.shape
    checks.shaped("start.shift", model.shift, (slates, bins, bins))
    checks.shaped("start.prior", model.prior, (bins,))
    for name, values, most in (("actions", logs.actions, slates), ("choices", logs.choices, items)):
        known = jnp.where(jnp.asarray(logs.valid), jnp.asarray(values), 0)
        if int(known.max()) >= most or int(known.min()) < 0:
            raise checks.InputError(f"{name} of the logs must be within 0 ... {most - 1}, as `choice` has them")
    impossible = np.argwhere(np.asarray(_evidence(logs, choice).max(axis=-1)).T == 0)
    if len(impossible):
        user, step = impossible[0].tolist()
        raise checks.InputError(f"choice of user {user} at step {step} has probability 0 whatever the preference")
