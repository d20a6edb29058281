"""The rules of three games: the paper's printed rule, its author's program and the base model."""

from dataclasses import dataclass
from typing import Literal

from jaxrec import checks
from jaxrec.envs.rewiring.games import PAIRWISE, Game, check_game

CHOICES = {
    "imitation": ("fermi", "clipped"),
    "gate": ("imitation", "self", "none"),
    "pair": ("neighbour", "edge"),
    "initiative": ("focal", "either"),
    "strategies": ("coins", "half"),
    "fitness": ("sum", "average"),
}


@dataclass(frozen=True)
class Rules:
    """Rules by which users meet, imitate and rewire. F(d) = 1 / (1 + exp(-beta d)) is the Fermi function; f is fitness.

    A focal user x meets y. In a strategy update x copies y's strategy with the imitation probability; in a structural
    update a user whose partner is a defector may rewire the tie.

    Attributes:
        name: the name of the preset.
        imitation: "fermi", F(fy - fx) (Eq. 1 of the paper); or "clipped", F(max(0, fy - fx)), at least 1/2.
        gate: the winner of a structural update. "imitation": x wins with the imitation probability; "self": with
            F(fx - fy), the fitter user more likely; "none": x always wins, and imitates in the same time-step.
        pair: structural updates take "neighbour", a uniform user and a uniform neighbour of it, or "edge", a uniform
            edge. Strategy updates always take the former.
        initiative: the user who rewires. "focal": y must be a defector; x acts if it wins, else y if x is a defector
            too. "either": the winner acts if its partner is a defector.
        strategies: at the start. "coins": each user a cooperator with probability 1/2; "half": exactly N // 2 of them.
        unfocused: the number of users, the last ones, that are never focal. With 1 this is the game of the author's
            program, in which that user never changes and becomes a star.
        fitness: of a user: "sum", of its payoffs against all neighbours; or "average", that sum divided by their
            number, so that many neighbours do not pay of themselves.
        game: what neighbours play; `RewiringGame(game=...)` sets it.
    """

    name: str
    imitation: Literal["fermi", "clipped"]
    gate: Literal["imitation", "self", "none"]
    pair: Literal["neighbour", "edge"]
    initiative: Literal["focal", "either"]
    strategies: Literal["coins", "half"]
    unfocused: int = 0
    fitness: Literal["sum", "average"] = "sum"
    game: Game = PAIRWISE

    def __post_init__(self) -> None:
        for name, kinds in CHOICES.items():
            checks.lookup(dict.fromkeys(kinds), getattr(self, name), f"rules.{name}")
        checks.within("rules.unfocused", self.unfocused, 0, float("inf"))
        check_game(self.game)

    @property
    def single_clock(self) -> bool:
        """Whether a time-step is both updates (`learning`), not one or the other by the ratio W."""
        return self.gate == "none"

    @property
    def adds_up_pairs(self) -> bool:
        """Whether fitness is a sum over neighbours, of which a rewire changes one term (the paper's)."""
        return self.fitness == "sum" and self.game == PAIRWISE


SANTOS = Rules("santos", "fermi", "self", "edge", "either", "half")
"""The base model: Santos, Pacheco & Lenaerts 2006, "Cooperation prevails when individuals adjust their social ties"."""

PRINTED = Rules("printed", "fermi", "imitation", "neighbour", "focal", "coins")
"""The printed rule: Carvalho, Eq. 1, Algorithm 1 and section 3.1. Cooperation takes over at larger W than in the
paper's Figure 6 (`jaxrec run rewiring-baselines --rules printed`)."""

CARVALHO = Rules("carvalho", "clipped", "imitation", "neighbour", "focal", "coins")
"""The rule of the author's published simulator. It gives the paper's Figure 6."""

LEARNING = Rules("learning", "fermi", "none", "neighbour", "focal", "coins")
"""The closest match to the starting points of the paper's section 4: every meeting with a defector is a request."""

PRESETS = {rules.name: rules for rules in (CARVALHO, SANTOS, PRINTED, LEARNING)}


def resolve(rules: str | Rules) -> Rules:
    """Returns the preset called `rules`, or `rules` itself.

    Raises:
        InputError: for an unknown name (the message gives the nearest), and for any other type.
    """
    if isinstance(rules, str):
        return checks.lookup(PRESETS, rules, "rules")
    if not isinstance(rules, Rules):
        raise checks.InputError(f"rules must be one of {sorted(PRESETS)} or Rules, got {rules!r}")
    return rules
