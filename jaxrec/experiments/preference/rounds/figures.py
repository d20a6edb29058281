"""The pictures of retraining in rounds."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from jaxrec.experiments.preference.rounds.claims import METRICS
from jaxrec.experiments.preference.rounds.contests import Contest
from jaxrec.experiments.preference.rounds.learning import Condition
from jaxrec.experiments.preference.rounds.measure import Measured
from jaxrec.experiments.preference.rounds.settings import COUNTS, PAID, RoundsConfig
from jaxrec.experiments.preference.rounds.survivors import SOURCES, Survivors
from jaxrec.experiments.preference.rounds.swaps import SWAPS, Swapped
from jaxrec.experiments.reports.figures import error_bars, interval_line
from jaxrec.statistics import Estimate, estimate

COLOURS = {"click": "#d1495b", "dwell": "#3066be"}
PANELS = {
    "apart": "degrees from natural preferences",
    "safe": "engagement under safe preferences since joining",
    "seen": "twice that under preferences at the session's start",
}


def ratchets(config: RoundsConfig, found: Measured) -> Figure:
    """Draws sessions of users who stay: a row for each payment, a line for each penalty, dashed where it remembers."""
    figure = Figure(figsize=(14.5, 7.2), layout="constrained")
    panels = figure.subplots(len(COUNTS), len(PANELS), sharex=True, sharey="col")
    sessions = np.arange(1, config.exact_rounds + 1)
    shades = map(to_hex, colormaps["viridis"](np.linspace(0, 0.85, len(config.exact_penalties))))
    colours = dict(zip(sorted(config.exact_penalties), shades, strict=True))
    for row, counts in zip(panels, COUNTS, strict=True):
        for axes, (measure, label) in zip(row, PANELS.items(), strict=True):
            for penalty, colour in colours.items():
                for remembers in (False, True) if penalty else (False,):
                    name = f"penalty {penalty:g}{', remembers' if remembers else ''}"
                    course = found.stay(counts, penalty, remembers).measures[measure]
                    interval_line(axes, sessions, course, name, colour, "o--" if remembers else "o-")
            axes.set(title=label if counts == COUNTS[0] else "")
            axes.title.set_fontsize(9)
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(f"paid for {PAID[counts]}")
    for axes in panels[-1]:
        axes.set_xlabel("session")
    panels[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def choices(found: Sequence[Contest]) -> Figure:
    """Draws users who choose between two platforms: a row for each two, a line for each sharpness."""
    pairs = list(dict.fromkeys(one.title for one in found))
    figure = Figure(figsize=(11.5, 3.2 * len(pairs)), layout="constrained")
    panels = figure.subplots(len(pairs), 3, sharex=True, squeeze=False)
    strict = sorted({one.sharpness for one in found})
    shades = dict(zip(strict, colormaps["viridis"](np.linspace(0, 0.85, len(strict))), strict=True))
    for row, pair in zip(panels, pairs, strict=True):
        for one in (one for one in found if one.title == pair):
            courses = (one.share, one.measures["engagement"], one.measures["safe"])
            name, colour = f"sharpness {one.sharpness:g}", to_hex(shades[one.sharpness])
            for axes, course in zip(row, courses, strict=True):
                interval_line(axes, np.arange(1, len(course) + 1), course, name, colour)
                axes.spines[["top", "right"]].set_visible(False)
        row[0].set(ylim=(0, 1), ylabel=pair.replace(" against ", "\nagainst "))
        row[0].axhline(0.5, color="black", lw=0.7)
    for axes, label in zip(panels[0], ("share of the former", "engagement", "safe since joining"), strict=True):
        axes.set_title(label, fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("session")
    panels[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def exchanges(swapped: Swapped) -> Figure:
    """Draws the engagement of round 2 with each exchange as a bar."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    bars = [estimate(swapped.engagement[name]) for name in SWAPS]
    _bars(axes, [*SWAPS.values()], bars, ["#8a8a8a", *["#3066be"] * (len(SWAPS) - 1)])
    axes.set(xlabel="r(u_t), engagement of new users in an episode", title="round 2, paid for dwelling")
    return figure


def optimism(survivors: Survivors) -> Figure:
    """Draws what models of survivors and of everyone expect, next to what these lived."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.subplots()
    names = [f"{source}: {what}" for source in SOURCES for what in ("lived", "expected by their model")]
    each = [one[source] for source in SOURCES for one in (survivors.lived, survivors.anticipated)]
    _bars(axes, names, [estimate(one) for one in each], ["#7b2d8b", "#c58bd0", "#2e933c", "#8fce99"])
    axes.set(xlabel="r(u_t), engagement in an episode")
    return figure


def courses(found: Sequence[Condition]) -> Figure:
    """Draws learning platforms: one panel a metric, one line a platform."""
    figure = Figure(figsize=(15, 5.6), layout="constrained")
    panels = figure.subplots(2, 5).ravel()
    for axes, (metric, label) in zip(panels, METRICS.items(), strict=False):
        for one in found:
            style = "o--" if one.penalty else "o-"
            rounds = np.arange(1, len(one.rounds) + 1)
            interval_line(axes, rounds, one.course(metric), one.title, COLOURS[one.counts], style)
        axes.set(title=label, xlabel="round", xticks=range(1, len(found[0].rounds) + 1))
        axes.title.set_fontsize(9)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].axis("off")
    panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False)
    return figure


def _bars(axes: Axes, names: list[str], means: list[Estimate], colours: list[str]) -> None:
    """Draws horizontal bars with their intervals, the first on top."""
    places = -np.arange(len(names))
    axes.barh(places, [one.value for one in means], xerr=error_bars(*means), color=colours, capsize=2)
    axes.set_yticks(places, names)
    axes.axvline(0, color="black", lw=0.7)
    axes.spines[["top", "right"]].set_visible(False)
