"""The settings of shifting preferences."""

from dataclasses import dataclass

import numpy as np

from jaxrec import checks, random
from jaxrec.envs.preference import PreferenceShift
from jaxrec.experiments.preference.recommenders import RecommenderConfig

ENV = PreferenceShift(reward="penalised")


@dataclass(frozen=True)
class ShiftConfig(RecommenderConfig):
    """Settings of shifting preferences."""

    seed: int = 0
    """Seed of all runs."""
    generator: str = "threefry"
    """Of random numbers: threefry, JAX's own; or hash, which compiles sooner and fuses on a GPU (`jaxrec.random`)."""
    seeds: int = 5
    """Independent trainings of each recommender, all in one vmap."""
    penalties: tuple[float, ...] = (0.0, 1.0)
    """Weights nu_1 = nu_2 of engagement under initial and under natural preferences; the paper's are 0 and 1."""

    belief_points: int = 128
    """Beliefs at each time for which plans are sought that do not see preferences (point-based value iteration)."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        checks.positive("seeds", self.seeds)
        checks.positive("belief_points", self.belief_points)
        checks.seed("seed", self.seed)
        checks.lookup(random.GENERATORS, self.generator, "generator")
        named = {f"{nu:g}" for nu in self.penalties}  # as the report does: what it takes for one must be one
        if not named or len(named) < len(self.penalties):
            raise checks.InputError(f"penalties must be one number or more, each once to six digits: {self.penalties}")
        checks.within("penalties", np.asarray(self.penalties), 0.0, checks.LARGEST)
        self.check_recommenders()
        self.agent(ENV, self.ppo.gamma).check()
