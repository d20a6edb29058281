"""Episodes of the rewiring game played to their end, and what they came to."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec import whole_episodes
from jaxrec.checks import MOST_STEPS
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.runtime.progress import Meter
from jaxrec.vectorized import Step

ENDS = ("cooperation", "degree_variance", "max_degree", "assortativity")


class Recommended(struct.PyTreeNode):
    """Whom an episode has recommended so far.

    Attributes:
        acted: int32, recommendations of somebody to tie: where nobody may be recommended, the tie stays.
        cooperators, degree: float, sums over those recommended: cooperates or not, and the degree.
    """

    acted: Any
    cooperators: Any
    degree: Any


@dataclass(frozen=True)
class Ends:
    """Metrics of the society at the end alone, which cost more than a step, and who was recommended before."""

    def start(self, env: Any, step: Any) -> Recommended:
        """Nobody yet."""
        return Recommended(jnp.zeros((), jnp.int32), jnp.zeros(()), jnp.zeros(()))

    def add(self, env: Any, noted: Recommended, step: Step, params: Any) -> Recommended:
        """Adds one more recommendation, where it can be followed.

        Args:
            env: the society.
            noted: what was recommended so far.
            step: the recommendation, and what it was given for.
            params: of the society.

        Returns:
            What was recommended with it.
        """
        counts = step.obs.action_mask[step.action] & step.obs.requested
        chosen = step.obs.nodes[step.action]
        return Recommended(
            noted.acted + counts,
            noted.cooperators + jnp.where(counts, chosen[0], 0),
            noted.degree + jnp.where(counts, chosen[1] * env.degree, 0),
        )

    def outcome(self, env: Any, noted: Recommended, state: Any, params: Any) -> dict[str, Array]:
        """Measures an episode at its end.

        Args:
            env: the society.
            noted: what was recommended.
            state: the last one.
            params: of the society.

        Returns:
            The metrics by name.
        """
        measured = env.metrics(state, 0, state, params)
        acted = jnp.where(noted.acted > 0, noted.acted, jnp.nan)
        return {name: measured[name] for name in ENDS} | {
            "requests": state.requests,
            "rewires": state.rewires,
            "action_strategy": noted.cooperators / acted,
            "action_degree": noted.degree / acted,
        }


def play(env: RewiringGame, policies: Any, key: Array, episodes: int, meter: Meter) -> dict[str, np.ndarray]:
    """Plays `episodes` episodes of each policy, each its own.

    Args:
        env: the society.
        policies: one PyTree, stacked along a leading axis.
        key: a typed key.
        episodes: of each.
        meter: notified of every chunk of steps.

    Returns:
        metric -> float[policies, episodes]: `cooperation`, `degree_variance`, `max_degree` and `assortativity` at the
        end; `requests` and `rewires` in all; `action_strategy` and `action_degree`, means over those recommended (NaN
        where nobody was).
    """
    name = f"{env.num_users} users"
    return whole_episodes.play(env, policies, key, episodes, env.default_params, Ends(), MOST_STEPS, meter, name)[0]
