"""The claims about fixed recommenders: orderings over W, agreement with an independent program, the eleven."""

from functools import partial

import numpy as np
import scipy

from jaxrec.envs.rewiring import ELEVEN
from jaxrec.experiments.reports.claims import REPORTED, Claim, above, below, exact
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.baselines.measure import Measured
from jaxrec.experiments.rewiring.baselines.settings import CORNERS, COURSE, PAYOFFS_S, PAYOFFS_T, BaselinesConfig
from jaxrec.experiments.rewiring.reference import FIVE, agreement, largest_of
from jaxrec.experiments.rewiring.sweep import Ends

PAPER = "Carvalho, Fig. 6"
ORDERINGS = (("good", "random"), ("random", "fair"), ("random", "local"), ("fair", "bad"), ("local", "bad"))
"""Of two heuristics the one that brings more cooperation, and the one that brings less."""
COOPERATORS = tuple(name for name in ELEVEN if name == "good" or name.endswith("-cooperators"))
OTHERS = tuple(name for name in ELEVEN if name not in (*COOPERATORS, "null", "local"))
LOW, ANY_DEGREE, HIGH = (
    tuple(f"{prefix}{strategy}".strip("-") for strategy in strategies)
    for prefix, strategies in (
        ("low", ("-defectors", "", "-cooperators")),
        ("", ("bad", "random", "good")),
        ("high", ("-defectors", "", "-cooperators")),
    )
)
"""The rows of the paper's 3 x 3 grid of heuristics (Table 3)."""
DILEMMA = "prisoner's dilemma"
EASIER = "least of three other games beyond the dilemma"
SEGREGATES = f"assortativity along the course, W = {COURSE:g}: fair beyond random"
OVERWHELMING = 0.9
"""A fraction of cooperators."""
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
        *(_beyond("requests per opportunity", "bad", other) for other in ("good", "random", "fair", "local")),
        *(_beyond("requests per opportunity", other, "good") for other in ("random", "fair", "local")),
        *(_beyond("max degree", other, "bad") for other in ("good", "random", "fair", "local")),
        *(_of_corners() if config.corner_runs else ()),
        *(_of_course() if config.course_runs else ()),
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
    columns = [
        Claim(
            f"Figure 6: {column.replace('_', ' ')}, largest deviation in standard errors (holds below)",
            partial(_largest_deviation, column=column, places=places),
            exact("<", largest_of(len(places), config.runs - 1)),
            "independent program",
        )
        for column, places in _columns(config).items()
        if places
    ]
    return columns + [
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
        Claim(
            f"N = {users}: rank correlation of cooperation with requests over the eleven",
            lambda found: _rank_correlation(found.scatter[users]),
            below(0.0),
            f"{source}: a frontier",
        ),
        Claim(
            f"N = {users}: degree variance, recommending high degrees beyond any",
            lambda found: _gap(found.scatter[users].degree_variance, HIGH, ANY_DEGREE),
            above(0.0),
            "Carvalho, section 4.3: rises with mean action degree",
        ),
        Claim(
            f"N = {users}: degree variance, recommending any degree beyond low ones",
            lambda found: _gap(found.scatter[users].degree_variance, ANY_DEGREE, LOW),
            above(0.0),
            "Carvalho, section 4.3: rises with mean action degree",
        ),
        Claim(
            f"N = {users}: degree variance, recommending others beyond recommending cooperators",
            lambda found: _gap(found.scatter[users].degree_variance, OTHERS, COOPERATORS),
            above(0.0),
            "Carvalho, section 4.3",
        ),
    ]


def _of_corners() -> list[Claim[Measured]]:
    """Whether the dilemma is the hardest of four games with each heuristic, and whether any overcomes it at W = 1."""
    source = "Carvalho, section 3.3"
    hardest = [
        Claim(
            f"cooperation with {one}, W = 1: {EASIER}",
            partial(_easier, row=row),
            above(0.0),
            f"{source}: the dilemma is the hardest",
        )
        for row, one in enumerate(FIVE)
    ]
    best = Claim(
        "cooperation in the dilemma, W = 1, with the best of five",
        _best_in_the_dilemma,
        below(OVERWHELMING),
        f"{source}: no overwhelming cooperation",
    )
    return [*hardest, best]


def _of_course() -> list[Claim[Measured]]:
    return [
        Claim(
            f"assortativity along the course, W = {COURSE:g}: fair beyond {other}",
            partial(_more_segregated, other=other),
            above(0.0),
            "Carvalho, section 3.3: fair segregates (untested there)",
        )
        for other in ("random", "good")
    ]


def _columns(config: BaselinesConfig) -> dict[str, dict[tuple[int, int], float]]:
    """Metric -> the place (heuristic, W) of each cell of Figure 6 with an independent figure -> that figure."""
    known = {
        column: {
            (FIVE.index(one), config.timescales.index(w)): value
            for w, row in table.items()
            if w in config.timescales
            for one, value in row.items()
        }
        for column, table in reference.FIGURE_6_COLUMNS.items()
    }
    return known if config.runs > 1 else {}  # a single run has no error


def _largest_deviation(found: Measured, column: str, places: dict[tuple[int, int], float]) -> float:
    """In standard errors of the difference, of which the figures' rounding to a unit is part."""
    samples, unit = getattr(found.heuristics, column), reference.ROUNDED_TO[column]
    deviations = []
    for place, value in places.items():
        runs = samples[place]
        error = runs.std(ddof=1) * np.sqrt(1 / runs.size + 1 / 200)
        deviations.append(max(abs(runs.mean() - value) - unit / 2, 0.0) / max(error, 1e-9))
    return max(deviations)


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


def _rank_correlation(ends: Ends) -> np.ndarray:
    """float[runs]: Spearman's, over the eleven recommenders."""
    ranks = (scipy.stats.rankdata(values, axis=0) for values in (ends.cooperation, ends.requests))
    return np.array([np.corrcoef(*pair)[0, 1] for pair in zip(*(each.T for each in ranks), strict=True)])


def _easier(found: Measured, row: int) -> np.ndarray:
    """float[runs]: cooperation in the least cooperative of three games, less that in the dilemma."""
    assert found.corners is not None
    games = found.corners.cooperation[row, ..., 0, :]
    others = [games[place] for name, place in CORNERS.items() if name != DILEMMA]
    least = min(others, key=lambda one: one.mean())
    return least - games[CORNERS[DILEMMA]]


def _best_in_the_dilemma(found: Measured) -> np.ndarray:
    """float[runs]: cooperation in the dilemma at W = 1, with the heuristic that brings most of it."""
    assert found.corners is not None
    dilemma = found.corners.cooperation[:, *CORNERS[DILEMMA], 0]
    return dilemma[dilemma.mean(axis=1).argmax()]


def _more_segregated(found: Measured, other: str) -> np.ndarray:
    """float[runs]: mean assortativity before fixation with fair, less that with another."""
    assert found.course is not None
    means = along(found.course)
    return means[FIVE.index("fair")] - means[FIVE.index(other)]


def along(course: np.ndarray) -> np.ndarray:
    """float[FIVE, runs]: means of [FIVE, tests, runs] before fixation; 0 of a run that no test has seen alive."""
    return np.nansum(course, axis=1) / np.maximum(np.isfinite(course).sum(axis=1), 1)


def _nearest(values: tuple[float, ...], value: float) -> int:
    return int(np.argmin(np.abs(np.asarray(values) - value)))
