"""The claims about fixed recommenders: orderings over W, agreement with an independent program, the eleven."""

from functools import partial

import numpy as np

from jaxrec.envs.rewiring import ELEVEN
from jaxrec.experiments.reports.claims import REPORTED, Claim, above
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.baselines.measure import Measured
from jaxrec.experiments.rewiring.baselines.settings import PAYOFFS_S, PAYOFFS_T, BaselinesConfig
from jaxrec.experiments.rewiring.reference import FIVE, agreement

PAPER = "Carvalho, Fig. 6"
ORDERINGS = (("good", "random"), ("random", "fair"), ("random", "local"), ("fair", "bad"), ("local", "bad"))
"""Of two heuristics the one that brings more cooperation, and the one that brings less."""
COOPERATORS = tuple(name for name in ELEVEN if name == "good" or name.endswith("-cooperators"))
DEFECTORS = tuple(name for name in ELEVEN if name == "bad" or name.endswith("-defectors"))


def claims(config: BaselinesConfig) -> list[Claim[Measured]]:
    """Lists the claims about Figure 6, about Figure 5 if the plane is drawn, and about Figures 13 and 14."""
    return [
        *(_beyond("cooperation", more, less) for more, less in ORDERINGS),
        Claim(
            "cooperation, mean over W: fair beyond local",
            partial(_gap_over_w, metric="cooperation", more="fair", less="local"),
            REPORTED,
            f"{PAPER}: alike",
        ),
        *(_beyond("degree variance", "local", other) for other in ("good", "random", "fair", "bad")),
        *(_agreements(config) if (config.rules, config.users, config.degree) == ("carvalho", 500, 30) else ()),
        *(claim for users in config.scatter_users for claim in _of_scatter(users)),
    ]


def figure_of(users: int) -> str:
    """Where the paper shows the eleven recommenders in a society of this size."""
    return {500: "Fig. 13", 1000: "Fig. 14"}.get(users, "Figs. 13, 14")


def _beyond(metric: str, more: str, less: str) -> Claim[Measured]:
    gap = partial(_gap_over_w, metric=metric.replace(" ", "_"), more=more, less=less)
    return Claim(f"{metric}, mean over W: {more} beyond {less}", gap, above(0.0), PAPER)


def _agreements(config: BaselinesConfig) -> list[Claim[Measured]]:
    """The cells of Figures 6 and 5 for which there are independent figures."""
    heuristics = {
        f"{one}, W = {w}": ((i, config.timescales.index(w)), *reference.HEURISTICS[w][one])
        for i, one in enumerate(FIVE)
        for w in reference.HEURISTICS
        if w in config.timescales
    }
    plane = {
        f"T = {t:.2f}, S = {s:.2f}": ((_nearest(PAYOFFS_T, t), _nearest(PAYOFFS_S, s)), *expected)
        for (t, s), expected in reference.PLANE.items()
        if config.plane_runs
    }
    return [
        agreement(name, cells, samples, runs)
        for name, cells, samples, runs in (
            ("Figure 6: cooperation", heuristics, lambda found: found.heuristics.cooperation, 200),
            ("Figure 5: cooperation without rewiring", plane, _plane, reference.FEW_RUNS),
        )
        if cells
    ]


def _of_scatter(users: int) -> list[Claim[Measured]]:
    source = f"Carvalho, {figure_of(users)}"
    return [
        Claim(
            f"N = {users}: cooperation, recommending cooperators beyond recommending defectors",
            lambda found: _gap(found.scatter[users].cooperation, COOPERATORS, DEFECTORS),
            above(0.0),
            source,
        ),
        Claim(
            f"N = {users}: requests, recommending defectors beyond recommending cooperators",
            lambda found: _gap(found.scatter[users].requests, DEFECTORS, COOPERATORS),
            above(0.0),
            source,
        ),
    ]


def _plane(found: Measured) -> np.ndarray:
    """float[T, S, runs]: cooperation without rewiring."""
    assert found.plane is not None
    return found.plane.cooperation[0, :, :, 0]


def _gap_over_w(found: Measured, metric: str, more: str, less: str) -> np.ndarray:
    """float[runs]: how far a metric, averaged over W, lies higher with one heuristic than with another."""
    over_w = getattr(found.heuristics, metric).mean(axis=1)
    return over_w[FIVE.index(more)] - over_w[FIVE.index(less)]


def _gap(values: np.ndarray, more: tuple[str, ...], less: tuple[str, ...]) -> np.ndarray:
    """float[runs]: the mean of [ELEVEN, runs] over some recommenders, less that over others."""
    high, low = (np.mean([values[ELEVEN.index(name)] for name in names], axis=0) for names in (more, less))
    return high - low


def _nearest(values: tuple[float, ...], value: float) -> int:
    return int(np.argmin(np.abs(np.asarray(values) - value)))
