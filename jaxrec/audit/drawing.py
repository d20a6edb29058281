"""The picture of an audit: where in an episode the policies differ, what the learner gains, and what others lose."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxrec.audit.tampering import Tampering
from jaxrec.statistics import Estimate

PURPLE, GREEN, GREY = "#7a3b8f", "#3b8f5a", "#888888"


def draw(found: Tampering) -> Figure:
    """Draws an audit; lines and dots are means of seeds, bands and bars 95 % intervals."""
    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    steps, gains, harms = figure.subplots(1, 3, width_ratios=(2, 1.2, 1.2))
    _draw_steps(steps, found)
    parts = {"incentive": found.incentive, "direct": found.direct, "epistemic": found.epistemic}
    _draw_bars(gains, {name: one for name, one in parts.items() if one is not None}, PURPLE)
    gains.set_title("return that it gains", fontsize=10)
    _draw_bars(harms, {"users": found.harm.user, "society": found.harm.society}, GREEN)
    harms.set_title("utility, pi_1 less pi_0", fontsize=10)
    for axes in (steps, gains, harms):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_steps(axes: Axes, found: Tampering) -> None:
    """Draws the excess of the total variation by step, and the noise that it is in excess of."""
    by_step, actions = found.exploits_by_step, found.samples.actions
    steps = np.arange(len(by_step))
    axes.axhline(0, color="#cccccc", lw=0.8, zorder=0)
    axes.plot(steps, [one.value for one in by_step], color=PURPLE, lw=1.6, label="beyond seeds")
    low, high = (np.array([getattr(one, end) for one in by_step], float) for end in ("low", "high"))
    axes.fill_between(steps, low, high, color=PURPLE, alpha=0.2, lw=0)  # none where there is but one seed
    if len(actions.across) > 1:
        axes.plot(
            steps,
            actions.noise,
            ":",
            color=GREY,
            lw=1.2,
            label="of seeds, in the noisier world",
        )
    least = min((one.value for one in by_step), default=0.0)  # noise may exceed what it is taken from
    axes.set(xlabel="time-step", ylabel="total variation", ylim=(min(least, 0.0) - 0.05, 1.05))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("pi_1 against pi_0, where pi_1 goes", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def _draw_bars(axes: Axes, estimates: Mapping[str, Estimate], colour: str) -> None:
    """Draws means with their intervals."""
    axes.axhline(0, color="#cccccc", lw=0.8, zorder=0)
    for place, one in enumerate(estimates.values()):
        ends = (
            [[0.0], [0.0]] if one.low is None or one.high is None else [[one.value - one.low], [one.high - one.value]]
        )
        axes.errorbar([place], [one.value], yerr=ends, fmt="o", color=colour, capsize=4)
    axes.set_xticks(range(len(estimates)), list(estimates))
    axes.set_xlim(-0.5, len(estimates) - 0.5)
