"""The claims about games: what recommenders do outside the dilemma. No paper makes them; one asks for them."""

from functools import partial

import numpy as np

from jaxrec.envs.rewiring.games import COSTS
from jaxrec.experiments.reports.claims import REPORTED, Claim, above
from jaxrec.experiments.rewiring.games.measure import Measured
from jaxrec.experiments.rewiring.games.settings import QUADRANTS, RECOMMENDERS, GamesConfig

OURS = "beyond the paper, which asks for other games (Carvalho, section 8)"
SANTOS = "Santos, Santos & Pacheco 2008: giving once a player, not once a game, helps cooperation among unequal users"
HELPS = "recommending cooperators beyond no rewiring"
HURTS = "no rewiring beyond recommending defectors"


def claims(config: GamesConfig) -> list[Claim[Measured]]:
    """Lists the claims about each kind of two-player game, and about public goods."""
    pairs = (
        ("good", "null", HELPS),
        ("null", "bad", HURTS),
        ("good", "local", "recommending cooperators beyond local"),
    )
    listed: list[Claim[Measured]] = []
    for quadrant in QUADRANTS:
        if config.cells_of(quadrant).any():
            for more, less, text in pairs:
                gap = partial(_gap, more=more, less=less, cells=config.cells_of(quadrant))
                listed.append(Claim(f"cooperation, {quadrant}: {text}", gap, above(0.0), OURS))
            segregated = partial(_gap, more="random", less="fair", cells=config.cells_of(quadrant))
            listed.append(Claim(f"cooperation, {quadrant}: random beyond fair", segregated, REPORTED, OURS))
    for cost in COSTS:
        for more, less, text in pairs:
            gap = partial(_gap_in_goods, more=more, less=less, cost=cost)
            listed.append(Claim(f"cooperation, public goods paid by the {cost}: {text}", gap, above(0.0), OURS))
    unequal = partial(_by_player, recommender="local")
    name = "cooperation, public goods with the local heuristic: paid by the player beyond by the game"
    return [*listed, Claim(name, unequal, above(0.0), SANTOS)]


def of_cells(found: Measured, recommender: str, cells: np.ndarray) -> np.ndarray:
    """float[runs]: cooperation with one recommender, a mean over games and W."""
    every = found.plane.cooperation[RECOMMENDERS.index(recommender)]
    return every[cells].mean(axis=(0, 1))


# Statistics: float[runs] each.


def _gap(found: Measured, more: str, less: str, cells: np.ndarray) -> np.ndarray:
    return of_cells(found, more, cells) - of_cells(found, less, cells)


def _gap_in_goods(found: Measured, more: str, less: str, cost: str) -> np.ndarray:
    high, low = (found.goods[cost][:, RECOMMENDERS.index(one)].mean(axis=(0, 1)) for one in (more, less))
    return high - low


def _by_player(found: Measured, recommender: str) -> np.ndarray:
    player, game = (
        found.goods[cost][:, RECOMMENDERS.index(recommender)].mean(axis=(0, 1)) for cost in ("player", "game")
    )
    return player - game
