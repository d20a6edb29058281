"""The report of the search for the unpublished constants."""

from typing import Any

import numpy as np

from jaxrec.experiments.preference import figures
from jaxrec.experiments.preference.constants import candidates, pictures
from jaxrec.experiments.preference.constants.candidates import COLUMNS, RANGES
from jaxrec.experiments.preference.constants.claims import GAP, met
from jaxrec.experiments.preference.constants.distance import (
    NOISE,
    NUMBERS,
    PRINTED,
    STATEMENTS,
    WITHIN,
    hardest,
    misfit,
    pairs,
)
from jaxrec.experiments.preference.constants.measure import Measured
from jaxrec.experiments.preference.constants.screen import Screen
from jaxrec.experiments.preference.constants.settings import ConstantsConfig
from jaxrec.experiments.preference.constants.society import READINGS
from jaxrec.experiments.preference.constants.surrogate import CONDITIONS
from jaxrec.experiments.reports.findings import Finding
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate

METRICS = ("r(u_t)", "r(u_0)", "r(u_t^rnd)")
SIZES = (1, 2, 3, 4, 5, 6)
"""How many numbers of Table 1 are looked at together in search of conflicts."""


def report(config: ConstantsConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows which candidates come near the paper, beside those fitted to optima, and which numbers conflict.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    seeds = found.finalists.values.shape[1]
    written = Report(
        "The unpublished constants of shifting preferences",
        f"{len(found.screen.points)} candidates for the constants that Carroll et al. do not print, played without "
        "training by recommenders that see beliefs (the fast informed bound, which is exact for myopic ones); PPO with "
        f"an LSTM for the best {len(found.shortlist.candidates)}; and for the best of those, and for the constants "
        f"fitted to optima under full observation (`preference-calibration`), again at "
        f"{seeds} seeds. Distances are in units of {NOISE}, which the paper says that its standard errors are below; "
        "its ratios and sentences have units of their own. Misfit: the root mean square of all distances.",
    )
    written.sections = [
        _table(found), _sentences(found), _shifts(), _finalists(found), _readings(found.screen), _ranges(found.screen),
        _conflicts(found.screen), _left_out(found.screen),
    ]  # fmt: skip
    written.figures = {
        "table": pictures.table(found.finalists, _names(found)),
        "optima-shifts": _heat_maps(found, 0),
        "best-shifts": _heat_maps(found, found.best),
        "profiles": pictures.profiles(found.screen),
        "conflicts": pictures.conflicts(pairs(found.screen.distances)[0] * NOISE),
    }
    written.data = _data(found)
    written.answers = _answers(found, findings)
    return written


def _answers(found: Measured, findings: list[Finding]) -> list[Answer]:
    best, gap = found.best, next(one for one in findings if one.name == GAP)
    first, second, third, *_ = findings
    three, apart = hardest(found.screen.distances, 3)
    without = _without(found.screen)
    odd = int(without.argmin())
    constants = ", ".join(
        f"{name} {value}"
        for name, value in zip(COLUMNS, candidates.described(found.finalists.candidates[best]), strict=True)
    )
    at = [int(met(found.finalists, place).sum()) for place in (0, best)]
    misfits = found.finalists.mean_misfits
    return [
        Answer(
            "Does any society of the paper's form meet its Table 1? Of its 12 numbers the best candidate of the screen "
            f"for this meets {first.value:.0f} within two standard errors."
        ),
        Answer(
            f"Which constants come nearest, with lambda as printed? {constants}. With recommenders trained for them, "
            f"{at[1]} of 12 numbers are met, and {at[0]} with constants fitted to optima under full observation; the "
            f"misfits are {misfits[best]:.1f} and {misfits[0]:.1f}.",
            "table",
        ),
        Answer(
            "Are they nearer than those fitted to optima beyond the noise of trainings, which is the rule by which the "
            f"default is chosen? {gap.answer}: by {gap.estimate}.",
            "best-shifts",
        ),
        Answer(
            "What do the paper's numbers rule out? The two of the 12 that conflict most are met within "
            f"{third.value:.2f} by one candidate; the three that do ({'; '.join(NUMBERS[i] for i in three)}) within "
            f"{apart * NOISE:.2f}; all of them, with sentences and ratios, by none: the least misfit in the screen is "
            f"{second.value:.1f} noises. Without {NUMBERS[odd]} = {PRINTED.ravel()[odd]:g}, the number most at odds "
            f"with the others, it is {without[odd]:.1f}.",
            "conflicts",
        ),
    ]


def _names(found: Measured) -> list[str]:
    """What finalists are called."""
    names = ["fitted to optima"]
    for place in range(1, len(found.finalists.candidates)):
        kind = "lambda as printed" if found.finalists.printed[place] else "lambda free"
        names.append(f"finalist {place}, {kind}")
    return names


def _table(found: Measured) -> Section:
    """Table 1: printed, fitted to optima, the finalists."""
    places = range(len(found.finalists.candidates))
    hits = [met(found.finalists, place) for place in places]
    rows = []
    for i, name in enumerate(CONDITIONS):
        for j, metric in enumerate(METRICS):
            cells = [
                f"{estimate(found.finalists.values[place, :, i, j])}{', met' if hits[place][i, j] else ''}"
                for place in places
            ]
            rows.append((name, metric, f"{PRINTED[i, j]:.2f}", *cells))
    return Section(
        "Table 1",
        "Learned: mean and 95 % interval over seeds. A number is met where the mean is within "
        f"{WITHIN * NOISE:.1f} of the printed one, two standard errors; how the paper's trainings scatter it does not "
        "say.",
        ("recommender", "sum over an episode", "paper", *_names(found)),
        rows,
        ["table"],
    )


def _sentences(found: Measured) -> Section:
    """The text about the figures, and the ratios."""
    rows = []
    for i, each in enumerate(STATEMENTS):
        cells = [str(estimate(said[:, i])) for said in found.finalists.said]
        rows.append((each.text, each.source, f"{each.low:g} to {each.high:g}", *cells))
    return Section(
        "The text about Figures 1, 6 and 7, and the ratios",
        "Each sentence as the range that it is read as: a reading of ours, of words.",
        ("what", "the paper says", "read as", *_names(found)),
        rows,
    )


def _shifts() -> Section:
    return Section(
        "How preferences shift (Figures 1 and 7)",
        "The share of users that prefer each angle at each time-step, learned recommenders, all seeds together: of the "
        "best candidate, and of the constants fitted to optima.",
        figures=["best-shifts", "optima-shifts"],
    )


def _finalists(found: Measured) -> Section:
    """All finalists: constants and misfits."""
    rows = []
    for i, (name, row) in enumerate(zip(_names(found), found.finalists.candidates, strict=True)):
        cells = str(estimate(found.finalists.misfits[i])), f"{met(found.finalists, i).sum()}"
        rows.append((name, *candidates.described(row), *cells))
    off = np.abs(found.finalists.values.mean(axis=1) - found.predicted)
    most = NUMBERS[off.max(axis=0).argmax()]
    return Section(
        "Finalists",
        "Constants, misfit (mean and 95 % interval over seeds), and numbers of Table 1 that are met. What the screen "
        f"predicted for their recommenders and what these learned differ by {off.mean():.2f} on average, "
        f"{off.max():.2f} at most ({most}): near a tie of two goals small differences in worth decide for one of them.",
        ("finalist", *COLUMNS, "misfit", "met"),
        rows,
    )


def _readings(screen: Screen) -> Section:
    """The best of each kind in the screen, lambda as printed or free."""
    constants, misfits = candidates.constants_of(screen.points), screen.misfits
    met_by = (screen.distances[:, : len(NUMBERS)] <= WITHIN).sum(axis=1)
    printed = constants[:, -3] == candidates.INERTIA
    rows = []
    for i, slates in enumerate(candidates.SLATES):
        for j, reading in enumerate(READINGS):
            for text, which in (("as printed", printed), ("free", ~printed)):
                mine = np.flatnonzero((constants[:, -2] == i) & (constants[:, -1] == j) & which)
                if mine.size:
                    best = mine[misfits[mine].argmin()]
                    cells = list(candidates.described(constants[best]))[: len(RANGES)]
                    rows.append((reading, slates, text, *cells, f"{misfits[best]:.1f}", f"{met_by[best]}"))
    return Section(
        "Readings of V, slates, and lambda",
        f"The best candidate of each in the screen. The paper prints lambda = {candidates.INERTIA}.",
        ("item in V chosen", "slates, degrees", "lambda", *RANGES, "misfit", "met, of 12"),
        rows,
    )


def _ranges(screen: Screen) -> Section:
    """Where candidates of the screen lie that fit nearly as well as the best."""
    allowed = pictures.allowed(screen)
    fine = candidates.constants_of(screen.points[screen.misfits <= allowed])
    best = candidates.constants_of(screen.points[[screen.misfits.argmin()]])[0]
    rows = [
        (name, f"{candidates.OPTIMA[i]:g}", f"{best[i]:.3g}", f"{fine[:, i].min():.3g} to {fine[:, i].max():.3g}",
         "{:g} to {:g}".format(*RANGES[name]))
        for i, name in enumerate(RANGES)
    ]  # fmt: skip
    return Section(
        "How well the constants are pinned down",
        f"Over the {len(fine)} candidates of the screen whose misfit is at most {allowed:.1f}, where an F test at 95 % "
        "calls a fit worse than the best; it takes distances for independent, so that the ranges are a guide.",
        ("constant", "fitted to optima", "best", "not significantly worse", "searched"),
        rows,
        ["profiles"],
    )


def _conflicts(screen: Screen) -> Section:
    """The numbers of Table 1 that no candidate meets together: the hardest two, three, ... of them."""
    rows = []
    for size in SIZES:
        places, distance = hardest(screen.distances, size)
        names = "; ".join(f"{NUMBERS[i]} = {PRINTED.ravel()[i]:g}" for i in places)
        rows.append((str(size), names, f"{distance * NOISE:.2f}"))
    return Section(
        "Numbers that conflict",
        "Of so many numbers of Table 1 those that conflict most, and how far the candidate of the screen that meets "
        "them best still is from the worst of them. Pairs were searched for, larger sets were not: their distances are "
        "upper bounds.",
        ("numbers", "those that conflict most", "distance"),
        rows,
        ["conflicts"],
    )


def _without(screen: Screen) -> np.ndarray:
    """float[12]: the least misfit in the screen where one number of Table 1 is left out."""
    return np.array([misfit(np.delete(screen.distances, i, axis=1)).min() for i in range(len(NUMBERS))])


def _left_out(screen: Screen) -> Section:
    """The least misfit without each number of Table 1."""
    every = screen.distances
    alone, less = screen.misfits.argmin(), _without(screen)
    rows = []
    for i, name in enumerate(NUMBERS):
        rows.append((f"{name} = {PRINTED.ravel()[i]:g}", f"{less[i]:.2f}", f"{every[alone, i] * NOISE:.2f}"))
    return Section(
        "Without each number",
        f"The least misfit in the screen, {screen.misfits.min():.2f}, where one number is left out; and how far from "
        "it the best candidate of the screen is.",
        ("number", "least misfit without it", "distance"),
        rows,
    )


def _heat_maps(found: Measured, place: int) -> Any:
    users = found.finalists.users[place].mean(axis=0)
    panels = [("natural", found.finalists.natural[place]), *zip(CONDITIONS, users, strict=True)]
    return figures.heat_maps(panels)


def _data(found: Measured) -> dict[str, Any]:
    """Further numbers for `results.json`."""
    trained = {"shortlist": found.shortlist, "finalists": found.finalists}
    return {
        name: [
            {
                "constants": dict(zip(COLUMNS, row.tolist(), strict=True)),
                "values": each.values[i].mean(axis=0),
                "said": each.said[i].mean(axis=0),
                "misfits": each.misfits[i],
                "misfit": float(each.mean_misfits[i]),
            }
            for i, row in enumerate(each.candidates)
        ]
        for name, each in trained.items()
    }
