"""The report of the calibration: how well each reading fits, and how well the best pins down each constant."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxrec.experiments.preference.calibration.measure import CONDITIONS, CONSTANTS, OPTIMA_CONSTANTS, Fit, Measured
from jaxrec.experiments.preference.calibration.settings import CalibrationConfig
from jaxrec.experiments.preference.reference import TABLE_1
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section


def report(config: CalibrationConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows how well each reading fits, and how well the best pins down each constant.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    fits, best = found.fits, found.fits[0]
    written = Report(
        "The constants of shifting preferences, fitted to the paper's Table 1",
        "The root mean square error over the twelve numbers of Table 1 of optima under full observation, at the "
        "constants that fit best; the paper's own recommenders saw less and learned, so that no fit is perfect.",
    )
    written.sections = [_readings(fits), _constants(best), _side_by_side(found)]
    written.figures["profiles"] = _profiles(best)
    written.data = {"fits": [_data(each) for each in fits]}
    written.answers = _answers(found, findings)
    return written


def _answers(found: Measured, findings: list[Finding]) -> list[Answer]:
    best, kept, worse = found.fits[0], findings[1], findings[2:]
    ranges = "; ".join(
        "{}: {:.3g} to {:.3g}, kept {:g}".format(name, *best.interval(i), OPTIMA_CONSTANTS[i])
        for i, name in enumerate(CONSTANTS)
    )
    return [
        Answer(
            "How well can the unpublished constants explain Table 1? Its twelve numbers are met with a root mean "
            f"square error of {best.error:.2f} (V: {best.reading})."
        ),
        Answer(
            f'Are the constants kept as `fitted_params("optima")` as good? {kept.answer}: their error is '
            f"{found.kept_error:.2f}, "
            f"and up to {best.allowed:.2f} a fit is not significantly worse."
        ),
        Answer(f"Which values fit as well? {ranges}.", "profiles"),
        Answer(f"Do other readings of the paper fit significantly worse? Of those that were tried: {tally(worse)}."),
    ]


def _readings(fits: list[Fit]) -> Section:
    """How well each reading fits."""
    rows = [(each.reading, each.slates, f"{each.error:.2f}", *(f"{value:.3g}" for value in each.best)) for each in fits]
    return Section(
        "Readings",
        "How the item in V comes about, which slates there are, and the constants that fit best.",
        ("V", "slates, degrees", "error", *CONSTANTS),
        rows,
    )


def _constants(best: Fit) -> Section:
    """How far each constant of the best reading can move."""
    constants = [
        (
            name,
            f"{OPTIMA_CONSTANTS[i]:g}",
            f"{best.best[i]:.3g}",
            "{:.3g} to {:.3g}".format(*best.interval(i)),
            "{:g} to {:g}".format(*bounds),
        )
        for i, (name, bounds) in enumerate(CONSTANTS.items())
    ]
    return Section(
        "How well the constants are pinned down",
        f"Of {best.reading}, {best.slates}: the best value, and how far it can move (the others following) before "
        f"the error exceeds {best.allowed:.2f}, where an F test at 95 % calls the fit worse. The ranges are of "
        "what the search tried, so at least as wide; and the test takes the misfits of twelve numbers for "
        "independent, so that they are a guide.",
        ("constant", "kept", "best", "not significantly worse", "searched"),
        constants,
        ["profiles"],
    )


def _data(each: Fit) -> dict[str, Any]:
    """One fit for `results.json`."""
    return {
        "reading": each.reading,
        "slates": each.slates,
        "error": each.error,
        "allowed": each.allowed,
        "best": dict(zip(CONSTANTS, each.best.tolist(), strict=True)),
        "intervals": {name: each.interval(i) for i, name in enumerate(CONSTANTS)},
    }


def _side_by_side(found: Measured) -> Section:
    """Table 1 as printed, at the best constants and at those kept."""
    both = (found.best_values, found.kept_values)
    rows = [
        (
            name,
            *(
                f"{published:.2f} / {both[0][i, j]:.2f} / {both[1][i, j]:.2f}"
                for j, published in enumerate(TABLE_1[name])
            ),
        )
        for i, name in enumerate(CONDITIONS)
    ]
    return Section("Table 1: printed / best fit / kept", "", ("recommender", "r(u_t)", "r(u_0)", "r(u_t^rnd)"), rows)


def _profiles(best: Fit) -> Figure:
    """The least error at each value of each constant, over everything tried."""
    figure = Figure(figsize=(11, 3.0), layout="constrained")
    every = figure.subplots(1, len(CONSTANTS), sharey=True)
    for i, (axes, (name, bounds)) in enumerate(zip(every, CONSTANTS.items(), strict=True)):
        edges = np.linspace(*bounds, 26)
        which = np.digitize(best.tried[:, i], edges)
        middles, least = zip(
            *((best.tried[which == k, i].mean(), best.errors[which == k].min()) for k in np.unique(which)), strict=True
        )
        axes.plot(middles, least, "o-", ms=3, color="#3066be")
        axes.axhline(best.allowed, color="#d1495b", lw=1, ls=":", label="not significantly worse")
        axes.axvline(OPTIMA_CONSTANTS[i], color="#2e933c", lw=1, label="kept")
        axes.set(title=name, ylim=(0, 3))
        axes.spines[["top", "right"]].set_visible(False)
    every[0].set_ylabel("least error")
    every[0].legend(frameon=False, fontsize=8)
    return figure
