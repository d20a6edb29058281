"""Why a second round loses engagement: the round played again with parts of it exchanged for exact ones."""

from dataclasses import dataclass
from typing import no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import PyTree

from jaxrec.envs.learned import Deployed
from jaxrec.envs.preference import Beliefs, PreferenceShift, exact
from jaxrec.envs.preference.dynamics import Tables
from jaxrec.experiments.preference.recommenders import as_lived, play, train_recommenders
from jaxrec.experiments.preference.rounds.learning import Kept
from jaxrec.experiments.preference.rounds.settings import RoundsConfig
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched
from jaxrec.policy import one_of

SWAPS = {
    "none": "as it is",
    "logs": "logs of mixed policies, as in round 1",
    "model": "trained and deployed with exact inference",
    "recommender": "an exact planner, on the model's beliefs",
    "beliefs": "the recommender of round 2, on exact beliefs",
}
"""What is exchanged in round 2. "logs" is no run of its own but round 1, whose model was learned from mixed logs;
"model" exchanges model, recommender and beliefs together."""


@no_type_check
class Planner(struct.PyTreeNode):
    """Shows the slate of the highest exact value, expected over a belief about the current preference (QMDP).

    Littman, Cassandra & Kaelbling 1995, "Learning policies for partially observable environments".

    Attributes:
        values: float[horizon, slates, 36], of each slate at each time and u_t.
    """

    values: Array

    @property
    def num_actions(self) -> int:
        """The number of slates."""
        return self.values.shape[-2]

    def init(self, key: Array) -> Array:
        """Gives the time, int32[]: 0."""
        return jnp.zeros((), jnp.int32)

    def act(self, carry: Array, obs: Beliefs, key: Array) -> tuple[Array, Array]:
        """Draws one of the best slates.

        Args:
            carry: int32[], the time.
            obs: `Beliefs`.
            key: a typed key, for the draw.

        Returns:
            (int32[] slate, the time of the next step).
        """
        worth = self.values[jnp.minimum(carry, self.values.shape[0] - 1)] @ obs.current
        return one_of(worth >= worth.max() - exact.TIE, jax.random.uniform(key)), carry + 1


def planner(tables: Tables, horizon: int, gamma: float) -> Planner:
    """Plans for engagement under current preferences, by backward induction.

    Args:
        tables: of the slates.
        horizon: steps of an episode.
        gamma: the discount, in [0, 1].

    Returns:
        The planner, with the exact values of slates where u_t is seen.
    """
    engagement = exact.rewards(tables, 1).engagement[0, :, 0]  # [slates, u_t]

    def step(later: Array, _: None) -> tuple[Array, Array]:
        worth = engagement + gamma * jnp.einsum("auv,v->au", tables.shift, later)
        return worth.max(axis=0), worth

    return Planner(jax.lax.scan(step, jnp.zeros(engagement.shape[1]), None, horizon, reverse=True)[1])


@dataclass(frozen=True)
class Swapped:
    """Round 2 of the platform paid for dwelling, without penalty.

    Attributes:
        engagement: what was exchanged (`SWAPS`) -> float[seeds], engagement of new users in an episode.
    """

    engagement: dict[str, np.ndarray]


def swap(config: RoundsConfig, kept: Kept, rounds: tuple[np.ndarray, np.ndarray], key: Array, tools: Tools) -> Swapped:
    """Plays round 2 again with each exchange of `SWAPS` but that of the logs, which is round 1.

    Args:
        config: the settings.
        kept: the recommenders and the models of round 2, with a leading axis of seeds.
        rounds: float[seeds] each, engagement in round 1, which is that of a model learned from mixed logs, and round 2.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The engagement of each.
    """
    known = config.society("beliefs", reward="penalised")
    worlds = kept.params.users.replace(safe_weights=jnp.zeros((config.seeds, 2)))
    keys = jax.random.split(key, 4)
    informed, _ = train_recommenders(config, known, config.ppo.gamma, keys[0], worlds, tools, "exact inference")
    world = jax.tree.map(lambda leaf: leaf[0], worlds)
    exactly = batched(planner(known.tables(world), known.horizon, config.ppo.gamma), config.seeds)

    def engagement(env: Deployed | PreferenceShift, policies: PyTree, key: Array, params: PyTree) -> np.ndarray:
        each = jax.random.split(key, config.seeds)
        return play(env, policies, each, params, config.eval_episodes, as_lived)[0]["engagement"].mean(axis=1)

    first, second = rounds
    found = {
        "none": second,
        "logs": first,
        "model": engagement(known, informed, keys[1], worlds),
        "recommender": engagement(kept.env, exactly, keys[2], kept.params),
        "beliefs": engagement(known, kept.policies, keys[3], worlds),
    }
    tools.log(part="swaps", **{name: values.mean() for name, values in found.items()})
    return Swapped(found)
