"""The paper's recommenders as policies in the place of a learner, who recommend anybody or their own users alone."""

from collections.abc import Callable
from functools import partial
from typing import Any, no_type_check

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool

from jaxrec.envs.rewiring.heuristics import HEURISTICS, heuristic
from jaxrec.envs.rewiring.market.observation import MarketObservation
from jaxrec.envs.rewiring.policies import HeuristicPolicy

NEVER_EXCLUSIVE = ("null", "local")


@no_type_check
class MarketHeuristic(HeuristicPolicy):
    """Recommends by a `Heuristic`; an exclusive one recommends its own users alone, whatever the market allows."""

    def accepted(self, obs: MarketObservation) -> Bool[Array, " users"]:  # type: ignore[override]
        """Finds the users that it accepts, perhaps none."""
        allowed = (obs.nodes[:, 2] > 0.5) | ~jnp.asarray(self.heuristic.exclusive)
        return super().accepted(obs.replace(action_mask=obs.action_mask & allowed))


def _made(name: str, exclusive: bool, env: Any, params: Any) -> MarketHeuristic:
    return MarketHeuristic(heuristic(name, exclusive))


POLICIES: dict[str, Callable[[Any, Any], Any]] = {name: partial(_made, name, False) for name in HEURISTICS} | {
    f"exclusive-{name}": partial(_made, name, True) for name in HEURISTICS if name not in NEVER_EXCLUSIVE
}
"""By name, such as "good" and "exclusive-good"."""
