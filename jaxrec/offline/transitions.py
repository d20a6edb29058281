"""Logs as transitions between observations that can be indexed, which tables are learned from."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Float, PyTree

from jaxrec import checks, observations
from jaxrec.environment import Environment
from jaxrec.estimation.logs import Logs
from jaxrec.utilities import Leaf


class Transitions(struct.PyTreeNode):
    """The steps of users; every leaf is [users, steps].

    Attributes:
        here, there: int32, indices of the observations before and after the step.
        action: int32.
        reward: float32.
        ends: bool, whether this is the user's last step: `there` is not read, and no reward follows.
        weight: float32, how much the step counts; 0 after the last one.
    """

    here: Leaf
    action: Leaf
    reward: Leaf
    there: Leaf
    ends: Leaf
    weight: Leaf

    def counts(self, shape: tuple[int, int]) -> Float[Array, "observations actions"]:
        """Counts how often each action was taken at each observation, by weight."""
        return jnp.zeros(shape).at[self.here, self.action].add(self.weight)

    def means(self, target: Array, counts: Array, unseen: ArrayLike) -> Float[Array, "observations actions"]:
        """Averages a target over the steps of each cell.

        Args:
            target: float[users, steps].
            counts: float[observations, actions], of these transitions.
            unseen: float[] or float[observations, actions], the value of cells that no step is of.

        Returns:
            The means.
        """
        total = jnp.zeros(counts.shape).at[self.here, self.action].add(self.weight * target)
        return jnp.where(counts > 0, total / jnp.where(counts > 0, counts, 1), unseen)


def observed(env: Environment, logs: Logs) -> PyTree:
    """Gives the logged observations in the structure of the environment's: leaves [users, steps, ...]."""
    like = jax.eval_shape(env.reset_env, jax.random.key(0), env.default_params)[0]
    return jax.vmap(jax.vmap(lambda vector: observations.unpacked(vector, like)))(jnp.asarray(logs.observations))


def transitions(env: Environment, logs: Logs) -> Transitions:
    """Indexes logs by the observations of an environment; jittable."""
    here = jax.vmap(jax.vmap(env.observation_index))(observed(env, logs))
    valid = jnp.asarray(logs.valid)
    follows = jnp.concatenate([valid[:, 1:], jnp.zeros_like(valid[:, :1])], axis=1)
    there = jnp.concatenate([here[:, 1:], here[:, -1:]], axis=1)
    return Transitions(
        here=jnp.where(valid, here, 0),
        action=jnp.asarray(logs.actions),
        reward=jnp.asarray(logs.rewards, float),
        there=jnp.where(follows, there, 0),
        ends=~follows,
        weight=valid.astype(float),
    )


def check_actions(env: Environment, logs: Logs, reader: str) -> None:
    """Checks that logs could be of an environment.

    Args:
        env: the environment.
        logs: the logs; any leading axes.
        reader: who reads them, for the message.

    Raises:
        InputError: for logs without actions, rewards or observations, for an action that the environment has not, and
            for observations of another length.
    """
    logs.require("actions", "rewards", "observations", reader=reader)
    checks.within("logs.actions", logs.actions, 0, env.num_actions - 1)
    like = jax.eval_shape(env.reset_env, jax.random.key(0), env.default_params)[0]
    length = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(like))
    found = np.shape(logs.observations)[-1]
    if found != length:
        raise checks.InputError(f"logs.observations must have {length} entries for {env.name}, got {found}")


def check_table(env: Environment, logs: Logs, reader: str) -> None:
    """Checks that logs have what tabular methods read.

    Args:
        env: the environment.
        logs: the logs; any leading axes.
        reader: who reads them, for the message.

    Raises:
        InputError: for what `check_actions` refuses, an environment whose observations cannot be indexed, and
            observations that it has not; the message names user and step.
    """
    check_actions(env, logs, reader)
    size = env.num_observations
    if size is None:
        raise checks.InputError(f"env must have indexable observations for {reader}; {env.name} has not")
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(logs)):
        return
    every: Any = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, *np.shape(leaf)[-2:]), logs.observations)
    index = np.asarray(transitions(env, _flat(logs, every)).here)
    outside = (index < 0) | (index >= size)
    if outside.any():
        user, step = np.argwhere(outside)[0]
        raise checks.InputError(
            f"logs.observations must be of {env.name}, got {every[user, step].tolist()} of user {user} in step {step}"
        )


def _flat(logs: Logs, observations: np.ndarray) -> Logs:
    """The same logs with one leading axis, of users."""
    steps = np.shape(logs.valid)[-1]
    flat = {name: np.asarray(getattr(logs, name)).reshape(-1, steps) for name in ("valid", "actions", "rewards")}
    return logs.replace(observations=observations, propensities=None, slates=None, choices=None, **flat)
