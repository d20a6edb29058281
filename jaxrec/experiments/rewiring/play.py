"""Episodes of the rewiring game played to their end, and what they came to."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec import lockstep
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.jitted import jit
from jaxrec.progress import Meter

CHUNK = 50  # steps between looks at how many episodes have ended
SHRINK = 4  # once no more than one in so many is under way, the ended ones are put away,
SMALL = 2048  # unless there are so few that a step costs about as much with fewer


class Under(struct.PyTreeNode):
    """Episodes under way; every leaf is [episodes, ...].

    Attributes:
        state, obs: of the environment; they no longer change where the episode has ended.
        ended: bool.
        acted: int32, recommendations of somebody to tie: where nobody may be recommended, the tie stays.
        cooperators, degree: float, sums over those recommended: cooperates or not, and the degree.
    """

    state: Any
    obs: Any
    ended: Any
    acted: Any
    cooperators: Any
    degree: Any


def play(env: RewiringGame, policies: Any, key: Array, episodes: int, meter: Meter) -> dict[str, np.ndarray]:
    """Plays `episodes` episodes of each policy, each its own.

    Args:
        env: the society.
        policies: one PyTree, stacked along a leading axis.
        key: a typed key.
        episodes: of each.
        meter: told of every chunk of steps.

    Returns:
        metric -> float[policies, episodes]: `cooperation`, `degree_variance`, `max_degree` and `assortativity` at the
        end; `requests` and `rewires` in all; `action_strategy` and `action_degree`, means over those recommended (NaN
        where nobody was).
    """
    key_start, key = jax.random.split(key)
    under = _begin(env, key_start, episodes, jax.tree.leaves(policies)[0].shape[0])
    rows, places = np.arange(under.ended.shape[0])[:, None], np.broadcast_to(np.arange(episodes), under.ended.shape)
    outcome = {
        name: np.zeros(places.shape, value.dtype) for name, value in jax.eval_shape(_outcome, env, under).items()
    }
    meter.start(f"playing {episodes} episodes at N = {env.num_users}", 1)
    left = episodes
    while left:
        key, key_chunk = jax.random.split(key)
        under = _advance(env, policies, under, key_chunk)
        left = int((~under.ended).sum(axis=1).max())
        if not left or (left <= places.shape[1] // SHRINK and places.size > SMALL):
            for name, value in _outcome(env, under).items():
                outcome[name][rows, places] = value
            kept = np.argsort(under.ended, axis=1, stable=True)[:, : places.shape[1] // SHRINK]
            under, places = jax.tree.map(lambda leaf, kept=kept: leaf[rows, kept], under), places[rows, kept]
    meter.advance()
    return outcome


@partial(jax.jit, static_argnames=("env", "episodes", "policies"))
def _begin(env: RewiringGame, key: Array, episodes: int, policies: int) -> Under:
    """Starts of their own for every policy: leaves [policies, episodes, ...]."""
    starts = lockstep.reset(env, key, env.default_params, policies * episodes)
    obs, state = jax.tree.map(lambda leaf: leaf.reshape(policies, episodes, *leaf.shape[1:]), starts)
    zeros = partial(jnp.zeros, (policies, episodes))
    return Under(state, obs, zeros(bool), zeros(jnp.int32), zeros(), zeros())


@jit(static_argnames="env", donate_argnames="under")
def _advance(env: RewiringGame, policies: Any, under: Under, key: Array) -> Under:
    """Every episode `CHUNK` steps on."""

    def of_policy(policy: Any, under: Under, key: Array) -> Under:
        def step(under: Under, key: Array) -> tuple[Under, None]:
            key_act, key_step = jax.random.split(key)
            keys = jax.random.split(key_act, under.ended.shape[0])
            action = jax.vmap(lambda obs, key: policy.act(policy.init(key), obs, key)[0])(under.obs, keys)
            taken = lockstep.step(env, key_step, under.state, under.obs, action, env.default_params)
            valid = jax.vmap(lambda mask, index: mask[index])(under.obs.action_mask, action)
            counts = valid & under.obs.requested & ~under.ended
            chosen = jax.vmap(lambda nodes, index: nodes[index])(under.obs.nodes, action)
            after = Under(
                taken.next_state,
                taken.next_obs,
                taken.terminated,
                under.acted + counts,
                under.cooperators + jnp.where(counts, chosen[:, 0], 0),
                under.degree + jnp.where(counts, chosen[:, 1] * env.degree, 0),
            )
            return lockstep.where_done(under.ended, under, after), None

        return jax.lax.scan(step, under, jax.random.split(key, CHUNK))[0]

    return jax.vmap(of_policy)(policies, under, jax.random.split(key, under.ended.shape[0]))


@partial(jax.jit, static_argnums=0)
def _outcome(env: RewiringGame, under: Under) -> dict[str, Array]:
    """Metrics of ended episodes."""

    def of_episode(one: Under) -> dict[str, Array]:
        measured = env.metrics(one.state, 0, one.state, env.default_params)
        names = ("cooperation", "degree_variance", "max_degree", "assortativity")
        acted = jnp.where(one.acted > 0, one.acted, jnp.nan)
        return {name: measured[name] for name in names} | {
            "requests": one.state.requests,
            "rewires": one.state.rewires,
            "action_strategy": one.cooperators / acted,
            "action_degree": one.degree / acted,
        }

    return jax.vmap(jax.vmap(of_episode))(under)
