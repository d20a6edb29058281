"""Episodes of a market played to their end: whom users adopted, who cooperates, and what users got."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec import whole_episodes
from jaxrec.checks import MOST_STEPS
from jaxrec.envs.rewiring import MarketParams, RewiringMarket, metrics
from jaxrec.envs.rewiring.graph.society import contains
from jaxrec.runtime.progress import Meter
from jaxrec.vectorized import Step


class Noted(struct.PyTreeNode):
    """What an episode has come to so far.

    Attributes:
        paid: float[], the mean payoff of a user, summed over time-steps.
        answered: int32[learners, 2], recommendations of somebody to tie, to users who defect and who cooperate.
        cooperators: int32[learners, 2], of these, how many were of cooperators.
    """

    paid: Any
    answered: Any
    cooperators: Any


@dataclass(frozen=True)
class Ends:
    """Payoffs along the course, and the society at its end."""

    def start(self, env: Any, step: Any) -> Noted:
        """Notes nothing yet."""
        none = jnp.zeros((env.learners, 2), jnp.int32)
        return Noted(jnp.zeros(()), none, none)

    def add(self, env: Any, noted: Noted, step: Step, params: Any) -> Noted:
        """Adds the payoffs of a step, weighted with its time-steps, and who was recommended to whom.

        Args:
            env: the market.
            noted: before the step.
            step: of one market.
            params: of the market.

        Returns:
            The notes with it.
        """
        payoff = metrics.fitness(step.next_state.society, params, env.law).mean()
        cooperators = step.state.society.cooperators
        turn = (jnp.arange(env.learners) == step.obs.turn) & step.obs.requested
        to = jnp.arange(2) == contains(cooperators, step.obs.focused)
        answers = turn[:, None] & to & step.obs.action_mask[step.action]
        served = answers & contains(cooperators, step.action)
        paid = noted.paid + payoff * (step.next_state.clock - step.state.clock)
        return Noted(paid, noted.answered + answers, noted.cooperators + served)

    def outcome(self, env: Any, noted: Noted, state: Any, params: Any) -> dict[str, Array]:
        """Measures an episode at its end; payoffs of users of one strategy count up to the time limit.

        Args:
            env: the market.
            noted: what it came to.
            state: the last one.
            params: of the market.

        Returns:
            metric -> float[], or float[learners].
        """
        shares = metrics.shares(state.society)
        rest = jnp.maximum(params.time_limit - state.clock, 0)
        last = metrics.fitness(state.society, params, env.law).mean()
        of_defectors, of_cooperators = (_rate(noted.cooperators[:, to], noted.answered[:, to]) for to in range(2))
        return {
            "cooperation": metrics.cooperation(state.society),
            "payoff": (noted.paid + rest * last) / jnp.maximum(params.time_limit, state.clock),
            "requests": state.requests.astype(float),
            "share": shares[: env.learners],
            "own_requests": state.own_requests.astype(float),
            "action_strategy": _rate(noted.cooperators.sum(axis=1), noted.answered.sum(axis=1)),
            "to_cooperators": of_cooperators,
            "to_defectors": of_defectors,
        }


def _rate(part: Array, whole: Array) -> Array:
    """A fraction; NaN of nothing."""
    return jnp.where(whole > 0, part / jnp.maximum(whole, 1), jnp.nan)


def play(
    env: RewiringMarket, policies: Any, key: Array, episodes: int, params: MarketParams, meter: Meter, name: str = ""
) -> dict[str, np.ndarray]:
    """Plays `episodes` episodes of each policy.

    Args:
        env: the market.
        policies: one PyTree, stacked along a leading axis.
        key: a typed key.
        episodes: of each.
        params: run-time values.
        meter: notified of every chunk of steps.
        name: of the policies, in the meter.

    Returns:
        metric -> float[policies, episodes]: `cooperation` at the end; `payoff`, the mean of a user in a time-step;
        `requests` of all users. And float[policies, episodes, learners]: `share` at the end; `own_requests`;
        `action_strategy`, the fraction of cooperators among those recommended (NaN where nobody was);
        `to_cooperators` and `to_defectors`, the same where the focused user cooperates, and where it does not.
    """
    return whole_episodes.play(env, policies, key, episodes, params, Ends(), MOST_STEPS, meter, name)[0]
