"""Users of several kinds: what each values, what is believed of one, and recommenders that do not ask."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec.environment import EnvParams
from jaxrec.utilities import Leaf, Utilities


class UncertainParams(EnvParams):
    """Run-time values.

    Attributes:
        influence, reward_weights: in place of those of the environment inside. By default users' utility alone is paid.
        env: run-time values of the environment inside.
        values: float[kinds, features], what a unit of each feature is worth to each kind of user.
        prior: float[kinds], the share of users of each kind; they sum to 1.
        cost: float[] from 0, the value that a question loses: users have little patience.
        noise: float[] in [0, 1], how often an answer is drawn from all kinds alike. At 1 answers say nothing.
        told: float[] in [0, 1], how many users have answered once before the episode, at no cost. A learner that meets
            some learns what answers are good for, without which it stops asking before it can.
    """

    reward_weights: Utilities = Utilities(recommender=0.0, user=1.0, society=0.0)
    env: PyTree = None
    values: np.ndarray | Array = struct.field(default_factory=lambda: np.zeros((1, 1), np.float32))
    prior: np.ndarray | Array = struct.field(default_factory=lambda: np.ones(1, np.float32))
    cost: float | Array = 0.1
    noise: float | Array = 0.2
    told: float | Array = 0.0


class UncertainState(struct.PyTreeNode):
    """One user, what it values, and what its answers say of that.

    Attributes:
        env: state of the environment inside.
        kind: int32[], the row of `values` that the user has. Hidden from the recommender.
        posterior: float[kinds], the probability of each kind, given the answers so far.
        told: bool[], whether the user had answered before the episode.
    """

    env: PyTree
    kind: Leaf
    posterior: Leaf
    told: Leaf

    @property
    def time(self) -> Array:
        """Steps taken since the episode began, int32[]."""
        return self.env.time


class UncertainObservation(struct.PyTreeNode):
    """What the recommender observes.

    Attributes:
        observed: the observation of the environment inside.
        posterior: float[kinds], the probability of each kind, given the answers so far.
    """

    observed: PyTree
    posterior: Leaf


class NeverAsks(struct.PyTreeNode):
    """A recommender of the environment inside, which knows no questions.

    Attributes:
        policy: acts on the observation of the environment inside.
    """

    policy: PyTree

    def init(self, key: Array) -> PyTree:
        """Gives the carry of the policy."""
        return self.policy.init(key)

    def act(self, carry: PyTree, obs: UncertainObservation, key: Array) -> tuple[Any, PyTree]:
        """Acts as the policy does.

        Args:
            carry: of the policy.
            obs: one observation.
            key: a typed key.

        Returns:
            (action, carry).
        """
        return self.policy.act(carry, obs.observed, key)


def learned(posterior: Array, answer: Array, noise: Array) -> Array:
    """Updates the belief about a user's kind by Bayes' rule.

    The likelihood of an answer is 1 - noise where it is the kind, and noise / kinds in any case.

    Args:
        posterior: float[kinds], before the answer.
        answer: int32[], the kind that was heard.
        noise: float[] in [0, 1], how often an answer is drawn from all kinds alike.

    Returns:
        float[kinds], after the answer; the same where rounding leaves no kind that could have given it.
    """
    kinds = posterior.shape[0]
    joint = posterior * (noise / kinds + (1 - noise) * (jnp.arange(kinds) == answer))
    total = joint.sum()
    return jnp.where(total > 0, jnp.minimum(joint / jnp.where(total > 0, total, 1), 1), posterior)
