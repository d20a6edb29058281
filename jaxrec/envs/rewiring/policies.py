"""The paper's recommenders (`heuristics`) as policies that act on observations."""

from collections.abc import Callable
from functools import partial
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool

from jaxrec.envs.rewiring.heuristics import HEURISTICS, Heuristic, heuristic
from jaxrec.envs.rewiring.observation import Observation
from jaxrec.graphs import neighbours_of
from jaxrec.policy import Stateless, evenly, one_of


@no_type_check
class HeuristicPolicy(Stateless):
    """Recommends by a `Heuristic`; if it accepts no user it recommends the focused one: the tie stays.

    Attributes:
        heuristic: a `heuristics.Heuristic`, without an axis of kinds.
    """

    heuristic: Heuristic

    def act(self, carry: tuple[()], obs: Observation, key: Array) -> tuple[Array, tuple[()]]:
        """Draws one of the users in `best`, each equally often.

        Args:
            carry: empty.
            obs: a request.
            key: a typed key, for the draw.

        Returns:
            (int32[] user, carry).
        """
        return one_of(self.accepted(obs), jax.random.uniform(key), obs.focused).astype(jnp.int32), carry

    def probabilities(self, carry: tuple[()], obs: Observation) -> tuple[Array, tuple[()]]:
        """Gives float[N], the probability of each user for one request, and the empty carry."""
        return evenly(self.best(obs)), carry

    def best(self, obs: Observation) -> Bool[Array, " users"]:
        """Finds the users that are recommended, each equally often: the accepted ones, or the focused one alone."""
        accepted = self.accepted(obs)
        return jnp.where(accepted.any(), accepted, jnp.arange(accepted.shape[0]) == obs.focused)

    def accepted(self, obs: Observation) -> Bool[Array, " users"]:
        """Finds the users that it accepts, with the most or the fewest neighbours where it reads them; perhaps none."""
        cooperates, degree = obs.nodes[:, 0] > 0.5, obs.nodes[:, 1]
        accepted = jnp.asarray(self.heuristic.accepts)[cooperates[obs.focused].astype(int), cooperates.astype(int)]
        near = neighbours_of(obs.graph, obs.partner, cooperates.shape[0])
        pool = obs.action_mask & accepted & (near | ~jnp.asarray(self.heuristic.local))
        score = jnp.where(pool, degree * self.heuristic.degree, -jnp.inf)
        return pool & (score == score.max())


POLICIES: dict[str, Callable[[Any, Any], Any]] = {
    name: partial(lambda name, env, params: HeuristicPolicy(heuristic(name)), name) for name in HEURISTICS
}
