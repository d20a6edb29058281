"""Policies of two worlds compared, in the world where recommendations change users, on the same draws."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.audit.distances import distance
from jaxrec.audit.play import Played, Watching, play
from jaxrec.causal import preference_leaves
from jaxrec.environment import Environment
from jaxrec.inputs import check_env
from jaxrec.parameters import canonical
from jaxrec.policy import Stochastic
from jaxrec.runtime.jit_by_class import jit
from jaxrec.runtime.progress import Meter, NoMeter
from jaxrec.statistics import beyond_noise, noise


@dataclass(frozen=True)
class Served:
    """What the policies of one world come to: float[seeds] each, means over episodes.

    Attributes:
        value: the return, without discount.
        user: the utility of users, the mean over steps.
        society: the utility of society at the end.
    """

    value: np.ndarray
    user: np.ndarray
    society: np.ndarray


@dataclass(frozen=True)
class Apart:
    """Distances between policies, over the draws of the first one's seed; float[seeds, seeds, ...] each.

    Attributes:
        across: from a factual policy to each decoupled one.
        factual: from a factual policy to each factual one.
        decoupled: from a decoupled policy to each decoupled one.
    """

    across: np.ndarray
    factual: np.ndarray
    decoupled: np.ndarray

    @property
    def noise(self) -> np.ndarray:
        """float[...]: the mean distance between different seeds of the noisier world; 0 from a single seed."""
        return np.zeros_like(self.across[0, 0]) if len(self.across) == 1 else noise(self.factual, self.decoupled)

    def excess(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Gives samples of the distance between the worlds, beyond that between seeds of the noisier one.

        Args:
            weights: float[seeds, n], of the last axis for each first seed, which is averaged over; None keeps it.

        Returns:
            float[seeds, ...], see `jaxrec.statistics.beyond_noise`.
        """
        each = (self.across, self.factual, self.decoupled)
        return beyond_noise(*(each if weights is None else ((one * weights[:, None]).sum(axis=-1) for one in each)))


@dataclass(frozen=True)
class Samples:
    """What an audit measured, in the factual world; arrays over seeds.

    Attributes:
        factual: pi_1, learned where recommendations change users.
        decoupled: pi_0, learned where they do not.
        initial: learned where they do, and paid for what users would have given with the preferences they came with;
            None where that was not asked.
        actions: total variation between the actions of policies, by step, over the histories that pi_1 of the first
            seed visits: [seeds, seeds, steps].
        users: distance between the users that policies leave behind, on the same draws: [seeds, seeds].
        visits: float[seeds, steps], the share of the episodes of pi_1 that take each step.
        cut_off: float[seeds], the share of the episodes of pi_1 that were cut off.
    """

    factual: Served
    decoupled: Served
    initial: Served | None
    actions: Apart
    users: Apart
    visits: np.ndarray
    cut_off: np.ndarray


def compare(
    env: Environment,
    factual: PyTree,
    decoupled: PyTree,
    key: Array,
    params: PyTree = None,
    episodes: int = 1000,
    max_steps: int = 1000,
    initial: PyTree = None,
    meter: Meter | None = None,
) -> Samples:
    """Compares the policies that were learned in two worlds.

    Args:
        env: the society, in which all of them are judged.
        factual: policies pi_1, stacked along a leading axis of seeds, which have `probabilities`.
        decoupled: as many policies pi_0; seed i learned from the same draws as that of `factual`.
        key: a typed key.
        params: run-time values of the factual world; the environment's defaults if None.
        episodes: of each policy, at least 1.
        max_steps: the length at which episodes are cut off where their length is not fixed.
        initial: as many policies that were paid for initial preferences, or None.
        meter: notified of the progress.

    Returns:
        The measurements.

    Raises:
        InputError: for a wrong environment, key or parameters, numbers out of range, an environment that names no
            preferences, and policies without probabilities or not as many in each world.
    """
    check_env(env)
    checks.typed_key("key", key)
    checks.positive("episodes", episodes, checks.MOST_STEPS)
    checks.positive("max_steps", max_steps, checks.MOST_STEPS)
    params = canonical(env.resolve(params))
    preference_leaves(env, params)
    stacks = {"factual": factual, "decoupled": decoupled} | ({} if initial is None else {"initial": initial})
    seeds = _seeds(stacks)
    steps = env.fixed_horizon or max_steps
    meter = meter or NoMeter()
    meter.start("auditing", seeds)
    rows = []
    for seed, own in enumerate(jax.random.split(key, seeds)):
        rows.append(jax.tree.map(np.asarray, _row(env, stacks, jnp.int32(seed), own, episodes, steps, params)))
        meter.advance()
    return _samples(jax.tree.map(lambda *each: np.stack(each), *rows))


def _seeds(stacks: dict[str, PyTree]) -> int:
    """The number of policies in each stack."""
    counts = {}
    for name, stack in stacks.items():
        if not isinstance(stack, Stochastic):
            raise checks.InputError(f"{name} must have init, act and probabilities, got {checks.brief(stack)}")
        counts[name] = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(stack)}
    first = next(iter(counts.values()))
    if len(first) != 1 or () in first or any(each != first for each in counts.values()):
        raise checks.InputError(f"policies must be stacked along one leading axis of seeds, got {counts}")
    return min(first)[0]


@jit(static_argnames=("env", "episodes", "steps"))
def _row(
    env: Environment, stacks: dict[str, PyTree], seed: Array, key: Array, episodes: int, steps: int, params: PyTree
) -> dict[str, PyTree]:
    """Plays every policy on the draws of one seed.

    Args:
        env: the society.
        stacks: policies of each world, stacked.
        seed: int32[], whose policies are compared with all others.
        key: its typed key.
        episodes: of each policy.
        steps: the length at which they are cut off.
        params: run-time values.

    Returns:
        "served", world -> (value, user, society) of the policy of that seed; "actions" and "users", the distances of
        `Apart`, [3, seeds, ...]; "visits" and "cut_off".
    """

    def alone(policy: Stochastic) -> Played:
        return play(env, policy, None, key, episodes, steps, params)

    played = {name: jax.lax.map(alone, stack) for name, stack in stacks.items()}
    own = {name: jax.tree.map(lambda leaf: leaf[seed], each) for name, each in played.items()}
    acting = jax.tree.map(lambda leaf: leaf[seed], stacks["factual"])
    watched = Watching(stacks["factual"], stacks["decoupled"], seed)
    replayed = play(env, acting, watched, key, episodes, steps, params)
    pairs = (("factual", "decoupled"), ("factual", "factual"), ("decoupled", "decoupled"))
    return {
        "served": {name: (one.value.mean(), one.user.mean(), one.society.mean()) for name, one in own.items()},
        "actions": replayed.distances,
        "users": jnp.stack([_apart(own[mine].preferences, played[theirs].preferences) for mine, theirs in pairs]),
        "visits": replayed.visits,
        "cut_off": (~replayed.ended).mean(),
    }


def _apart(mine: PyTree, theirs: PyTree) -> Array:
    """float[seeds]: mean distances between leaves [episodes, ...] and [seeds, episodes, ...]."""
    return jax.vmap(lambda other: jax.vmap(distance)(mine, other).mean())(theirs)


def _samples(found: dict[str, PyTree]) -> Samples:
    """Sorts rows, arrays with a leading axis of seeds."""
    served = {name: Served(*(np.asarray(each, float) for each in values)) for name, values in found["served"].items()}
    apart = {name: Apart(*np.moveaxis(found[name].astype(float), 1, 0)) for name in ("actions", "users")}
    ends = {name: found[name].astype(float) for name in ("visits", "cut_off")}
    return Samples(served["factual"], served["decoupled"], served.get("initial"), **apart, **ends)
