"""The pictures of the tampering study."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrec.envs.polarising import TRAINING, UNSEEN
from jaxrec.envs.polarising.dynamics import SOURCES
from jaxrec.envs.polarising.render import COLOURS
from jaxrec.experiments.polarising.behaviour import POLARISABLE, TRAINED_ON
from jaxrec.experiments.polarising.tampering.claims import NAMES, POLARISATION
from jaxrec.experiments.polarising.tampering.measure import Measured
from jaxrec.statistics import estimate

FIGURE_4_CAPTION = (
    "Above: how often each source is recommended at each time-step by the policy learned with influence (line: mean of "
    "seeds; band: range over seeds). Below: expected cumulative clicks, against the baselines, and the best that is "
    "known for a recommender that may tamper and does not know the user."
)
FIGURE_5_CAPTION = "As above, for users who were not in the training population."
TAMPERING_CAPTION = (
    "Above: how often the source opposed to the user's wing is recommended, by recommenders trained and evaluated "
    "with influence and without (line: mean of seeds; band: range over seeds; grey: time-steps 7 to 14). Below: the "
    "share of visited states in which policies of the two worlds choose differently, in excess of the disagreement "
    "between seeds in the noisier world (dotted: that noise; band: 95 % interval)."
)
TRAINING_CAPTION = (
    "Clicks an episode in the course of the training, exploration included (line: mean of seeds; band: range over "
    "seeds). Dashed: the Bayes-optimal non-tampering policy in the same world, and the optimum over beliefs, which may "
    "tamper."
)

WORLDS = {"influence": "#7a3b8f", "no influence": "#3b8f5a"}
STYLES = {"random": ":", "bandit": "--", "Bayes": "-."}


def figures(outcome: Measured) -> dict[str, Figure]:
    """File name -> figure."""
    return {
        "tampering": tampering(outcome),
        "figure4": figure_4(outcome),
        "figure5": figure_5(outcome),
        "training": training(outcome),
    }


def figure_4(outcome: Measured) -> Figure:
    """Action probabilities and cumulative reward for the training population."""
    figure = Figure(figsize=(15, 5.6), layout="constrained")
    axes = figure.subplots(2, len(TRAINING), sharex=True, sharey="row")
    for i, name in enumerate(TRAINING):
        _strategy(axes[0, i], outcome.learned.shown[:, i], name, TRAINING[name])
        below = axes[1, i]
        _band(below, np.cumsum(outcome.learned.reward[:, i], axis=-1), "black", "learned")
        for baseline, behaviour in outcome.baselines.items():
            below.plot(
                np.cumsum(behaviour.reward[:, i].mean(axis=0)),
                STYLES[baseline],
                color="#555555",
                lw=1.2,
                label=baseline,
            )
        best = np.cumsum(outcome.tampering.reward[:, i].mean(axis=0))
        below.plot(best, "-", color="#b8860b", lw=1.2, label="may tamper, best")
        below.set_xlabel("time-step")
    axes[0, 0].set_ylabel("probability of recommendation")
    axes[1, 0].set_ylabel("cumulative clicks")
    axes[0, 0].legend(frameon=False)
    axes[1, 0].legend(frameon=False)
    return figure


def figure_5(outcome: Measured) -> Figure:
    """Action probabilities for users never seen in training."""
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    axes = figure.subplots(1, len(UNSEEN), sharey=True)
    for i, name in enumerate(UNSEEN):
        _strategy(axes[i], outcome.learned.shown[:, len(TRAINING) + i], name, UNSEEN[name])
        axes[i].set_xlabel("time-step")
    axes[0].set_ylabel("probability of recommendation")
    axes[0].legend(frameon=False)
    return figure


def tampering(outcome: Measured) -> Figure:
    """Opposed content in both worlds, and where their policies disagree."""
    excess = outcome.disagreement.excess()
    figure = Figure(figsize=(16, 5), layout="constrained")
    axes = figure.subplots(2, len(POLARISABLE), sharex=True, sharey="row")
    for column, i in enumerate(POLARISABLE):
        above, below = axes[:, column]
        for behaviour, (world, colour) in zip((outcome.learned, outcome.safe), WORLDS.items(), strict=True):
            _band(above, behaviour.opposed[:, i], colour, world)
        _interval(below, excess[:, i], "black", "excess disagreement")
        below.plot(outcome.disagreement.noise[i], ":", color="#888888", lw=1.2, label="seed noise")
        for panel in (above, below):
            panel.axvspan(POLARISATION.start - 0.5, POLARISATION.stop - 0.5, color="#000000", alpha=0.06, lw=0)
            panel.spines[["top", "right"]].set_visible(False)
        above.set_title(NAMES[i], fontsize=10)
        above.set_ylim(0, 1)
        below.set_ylim(-0.5, 1)
        below.axhline(0, color="#cccccc", lw=0.8, zorder=0)
        below.set_xlabel("time-step")
    axes[0, 0].set_ylabel("opposed content")
    axes[1, 0].set_ylabel("share of visited states")
    axes[0, 0].legend(frameon=False, fontsize=8)
    axes[1, 0].legend(frameon=False, fontsize=8)
    return figure


def training(outcome: Measured) -> Figure:
    """Learning curves in both worlds."""
    figure = Figure(figsize=(9.5, 4), layout="constrained")
    axes = figure.subplots()
    yardsticks = (outcome.baselines["Bayes"].value[:, TRAINED_ON], outcome.references.bayes_decoupled[TRAINED_ON])
    for i, ((world, colour), yardstick) in enumerate(zip(WORLDS.items(), yardsticks, strict=True)):
        _band(axes, outcome.curves.clicks[:, i].T, colour, world, outcome.curves.episodes)
        axes.axhline(float(yardstick.mean()), color=colour, ls="--", lw=1, label=f"{world}: Bayes, not tampering")
    best = float(outcome.tampering.value[:, TRAINED_ON].mean())
    axes.axhline(best, color="#b8860b", ls="--", lw=1, label="influence: may tamper, best")
    axes.set(xlabel="episodes", ylabel="clicks an episode", ylim=(5, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _strategy(axes: Axes, shown: np.ndarray, name: str, theta: tuple[float, float, float]) -> None:
    """How often each source is recommended: float[seeds, steps, 3]."""
    for source, label in enumerate(SOURCES):
        _band(axes, shown[..., source], COLOURS[label], label)
    axes.set_title(f"{name}\n({', '.join(f'{p:g}' for p in theta)})", fontsize=10)
    axes.set_ylim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)


def _interval(axes: Axes, samples: np.ndarray, colour: str, label: str) -> None:
    """The mean of float[seeds, steps] with its 95 % interval, if it has one."""
    estimates = [estimate(step) for step in samples.T]
    steps = np.arange(len(estimates))
    axes.plot(steps, [one.value for one in estimates], color=colour, lw=1.6, label=label)
    if len(samples) > 1:
        low, high = ([getattr(one, end) for one in estimates] for end in ("low", "high"))
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)


def _band(axes: Axes, curves: np.ndarray, colour: str, label: str, steps: np.ndarray | None = None) -> None:
    """The mean of float[seeds, steps] with its range over seeds."""
    steps = np.arange(curves.shape[1]) if steps is None else steps
    axes.plot(steps, curves.mean(axis=0), color=colour, lw=1.6, label=label)
    axes.fill_between(steps, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2, lw=0)
