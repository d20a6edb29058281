"""Episodes of one policy, in which many others are asked what they would have done."""

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec import vectorized
from jaxrec.audit.distances import total_variation
from jaxrec.environment import Environment
from jaxrec.policy import Stochastic
from jaxrec.runtime.jit_by_class import jit
from jaxrec.utilities import Leaf


class Watching(struct.PyTreeNode):
    """Policies of two worlds, which see what one of them sees.

    Attributes:
        factual, decoupled: stacked policies of each world, leaves [seeds, ...].
        index: int32[], the factual policy that acts.
    """

    factual: PyTree
    decoupled: PyTree
    index: Leaf

    def begin(self, key: Array, episodes: int) -> PyTree:
        """Gives the carries of both worlds, leaves [seeds, episodes, ...]."""
        keys = jax.random.split(key, episodes)
        return tuple(
            jax.vmap(lambda policy: jax.vmap(policy.init)(keys))(policies)
            for policies in (self.factual, self.decoupled)
        )

    def distances(self, carries: PyTree, obs: PyTree) -> tuple[Array, PyTree]:
        """Replays one observation of every episode.

        Args:
            carries: of both worlds, from `begin` or the step before.
            obs: leaves [episodes, ...].

        Returns:
            float[3, seeds, episodes], the total variation between what policies would do: of the acting one and each
            decoupled one, of the acting one and each factual one, of the decoupled one of the same seed and each
            decoupled one. And the carries after the observation.
        """
        read = (
            jax.vmap(lambda policy, carry: jax.vmap(policy.probabilities)(carry, obs))(policies, carry)
            for policies, carry in zip((self.factual, self.decoupled), carries, strict=True)
        )
        (factual, carry), (decoupled, other) = read
        pairs = ((factual, decoupled), (factual, factual), (decoupled, decoupled))
        apart = [total_variation(mine[self.index], theirs) for mine, theirs in pairs]
        return jnp.stack(apart), (carry, other)


class Played(struct.PyTreeNode):
    """What one policy did in episodes; leaves [episodes, ...] but for the last two.

    Attributes:
        value: float, the return.
        user: float, the mean over steps and users of the users' utility.
        society: float, society's utility at the last step.
        preferences: those that the episode ended with.
        ended: bool, whether the episode came to its end.
        visits: float[steps], the share of episodes that take each step.
        distances: float[3, seeds, steps], means of `Watching.distances` over the episodes that take a step; None where
            nobody watches.
    """

    value: Leaf
    user: Leaf
    society: Leaf
    preferences: PyTree
    ended: Leaf
    visits: Leaf
    distances: PyTree


class _Under(struct.PyTreeNode):
    """Episodes under way, all at the same step; those that ended change no more.

    Attributes:
        time: int32[], steps taken.
        state, carry, replayed: of the society, the policy and those that watch.
        value, user, society, length: of `Played`, `user` a sum over the steps counted in `length`.
        ended: bool[episodes].
        visits, distances: of `Played`, as sums over episodes.
    """

    time: Leaf
    state: PyTree
    carry: PyTree
    replayed: PyTree
    value: Leaf
    user: Leaf
    society: Leaf
    length: Leaf
    ended: Leaf
    visits: Leaf
    distances: PyTree


@jit(static_argnames=("env", "episodes", "max_steps"))
def play(
    env: Environment,
    policy: Stochastic,
    watching: Watching | None,
    key: Array,
    episodes: int,
    max_steps: int,
    params: PyTree,
) -> Played:
    """Plays episodes to their end; the same key gives the same draws at each step of each, whatever the policy.

    Args:
        env: the society.
        policy: the one that acts.
        watching: policies that are asked at each step what they would have done; None for none.
        key: a typed key.
        episodes: how many, at least 1.
        max_steps: the length at which an episode is cut off.
        params: run-time values.

    Returns:
        What came of it.
    """
    key_start, key = jax.random.split(key)
    under = _begin(env, policy, watching, key_start, episodes, max_steps, params)
    under = jax.lax.while_loop(
        lambda under: (under.time < max_steps) & ~under.ended.all(),
        lambda under: _step(env, policy, watching, jax.random.fold_in(key, under.time), under, params),
        under,
    )
    taken = jnp.maximum(under.visits, 1)
    return Played(
        value=under.value,
        user=under.user / under.length,
        society=under.society,
        preferences=env.preferences_of(under.state),
        ended=under.ended,
        visits=under.visits / episodes,
        distances=None if watching is None else under.distances / taken,
    )


def _begin(
    env: Environment,
    policy: Stochastic,
    watching: Watching | None,
    key: Array,
    episodes: int,
    max_steps: int,
    params: PyTree,
) -> _Under:
    """Begins all episodes."""
    key_reset, key_carry = jax.random.split(key)
    _, state = vectorized.reset(env, key_reset, params, episodes)
    zeros = jnp.zeros(episodes)
    return _Under(
        time=jnp.zeros((), jnp.int32),
        state=state,
        carry=jax.vmap(policy.init)(jax.random.split(key_carry, episodes)),
        replayed=None if watching is None else watching.begin(key_carry, episodes),
        value=zeros,
        user=zeros,
        society=zeros,
        length=zeros,
        ended=jnp.zeros(episodes, bool),
        visits=jnp.zeros(max_steps),
        distances=None if watching is None else jnp.zeros((3, _count(watching.factual), max_steps)),
    )


def _step(
    env: Environment, policy: Stochastic, watching: Watching | None, key: Array, under: _Under, params: PyTree
) -> _Under:
    """Takes one step of every episode that has not ended."""
    key_act, key_step = jax.random.split(key)
    obs = vectorized.observe(env, under.state, params)
    action, carry = jax.vmap(policy.act)(under.carry, obs, jax.random.split(key_act, len(under.ended)))
    step = vectorized.step(env, key_step, under.state, obs, action, params)
    worth = jax.vmap(env.utilities, in_axes=(0, 0, 0, None))(step.state, step.action, step.next_state, params)
    going = (~under.ended).astype(under.value.dtype)
    user = jnp.asarray(worth.user, going.dtype).reshape(len(going), -1).mean(axis=1)
    distances, replayed = under.distances, under.replayed
    if watching is not None:
        apart, replayed = watching.distances(replayed, obs)
        distances = distances.at[..., under.time].add((apart * going).sum(axis=-1))
    return _Under(
        time=under.time + 1,
        state=vectorized.where_done(under.ended, under.state, step.next_state),
        carry=carry,
        replayed=replayed,
        value=under.value + going * step.reward,
        user=under.user + going * user,
        society=jnp.where(under.ended, under.society, worth.society),
        length=under.length + going,
        ended=under.ended | step.done,
        visits=under.visits.at[under.time].add(going.sum()),
        distances=distances,
    )


def _count(policies: PyTree) -> int:
    """How many policies are stacked."""
    return jax.tree.leaves(policies)[0].shape[0]
