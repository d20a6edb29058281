"""The report of the study of proxies."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrec.experiments.preference.proxy.claims import BEYOND, EXACT_FALL, FALL, QUESTIONS
from jaxrec.experiments.preference.proxy.measure import MEASURED, Measured
from jaxrec.experiments.preference.proxy.settings import ASKER, KINDS, PROXIES, RECOMMENDERS, ProxyConfig
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import Finding
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate

COLOURS = {"clicks": "#d1495b", "dwelling": "#3066be", "mean": "#8a8a8a", ASKER: "#2e933c"}
LABELS = {"clicks": "paid for clicks", "dwelling": "paid for dwelling", "mean": "paid for the mean", ASKER: "may ask"}
CAPTION = (
    "True value of an episode to the users as they are, mean over kinds. Left and middle: while recommenders learn, "
    "as they draw their slates in training, over steps and over the divergence from recommending uniformly (of the "
    "one that may ask, among slates and the question). Right: exact policies that see what users prefer, of rising "
    "strength of optimisation. Dotted: the most that is possible without a question; dashed: where each user's kind "
    "is known."
)


def report(config: ProxyConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows true value over optimisation pressure, and what each recommender does to each kind of user.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    written = Report(
        "Proxies and questions: true value against optimisation pressure",
        f"Users of four kinds ({', '.join(KINDS)}; shares {', '.join(f'{share:g}' for share in config.shares)}) who "
        "click, choose and change alike, and value different things. Recommenders learn by PPO for "
        f"{config.steps:,} slates, {config.seeds} seeds each: paid for clicks, for dwelling (engagement), for the mean "
        "of what users value, or for the value expected of the user, with leave to ask at a cost of "
        f"{config.cost:g} (answers are random in {config.noise:.0%} of cases; in training "
        f"{config.told:.0%} of users have answered before, of those judged none). Bait of height "
        f"{config.bait_height:g} lies at {config.bait_centre:g} degrees. Sums over an episode of ten slates.",
    )
    written.figures = {"goodhart": goodhart(found), "kinds": kinds(found)}
    written.sections = [
        Section("True value against pressure", CAPTION, figures=["goodhart"]),
        _outcomes(found),
        Section(
            "Who gains",
            "True value of an episode to users of each kind, after the training. Means with 95 % intervals over seeds.",
            figures=["kinds"],
        ),
    ]
    written.data = {
        "courses": {name: vars(one) for name, one in found.courses.items()},
        "outcomes": {name: vars(one) for name, one in found.outcomes.items()},
        "frontier": vars(found.frontier),
    }
    written.answers = _answers(found, {one.name: one for one in findings})
    return written


def _answers(found: Measured, named: dict[str, Finding]) -> list[Answer]:
    falls = {name: named[f"paid for {name}: {FALL}"] for name in ("clicks", "dwelling")}
    exact = {name: named[f"paid for {name}: {EXACT_FALL}"] for name in falls}
    asker = named[f"{ASKER}: {FALL}"]
    beyond = {name: named[BEYOND.format(name)].estimate for name in ("clicks", "dwelling", "mean")}
    frontier = found.frontier
    return [
        Answer(
            "Does the true value of a proxy peak and fall as the proxy is optimised? "
            + "; ".join(
                f"paid for {name}: {one.answer.lower()} in learning (by {one.estimate}), by "
                f"{exact[name].value:.2f} in exact policies"
                for name, one in falls.items()
            )
            + ".",
            "goodhart",
        ),
        Answer(
            "Does that of the recommender that may ask? "
            f"{ {True: 'No', False: 'Not ruled out', None: 'Not judged'}[asker.verdict] }: from its "
            f"peak to the end it falls by {asker.estimate}; it asks {named[QUESTIONS].estimate} times an episode."
        ),
        Answer(
            "What is asking worth? True value beyond that of the recommender paid for "
            + ", ".join(f"{name} {gain}" for name, gain in beyond.items())
            + f". Without a question nobody can bring more than {frontier.best:.2f}; who asks once, at first, and "
            f"plans exactly brings {frontier.asked:.2f}; where each user's kind is known the most is "
            f"{frontier.known:.2f}.",
            "kinds",
        ),
    ]


def _outcomes(found: Measured) -> Section:
    header = {"value": "true value", "question": "questions"}
    rows = [
        (LABELS[name], *(str(estimate(one.sums[measure])) for measure in MEASURED), str(estimate(one.certainty)))
        for name, one in found.outcomes.items()
    ]
    names = [header.get(name, name.replace("engagement_initial", "r(u_0)").replace("engagement", "r(u_t)"))
             for name in MEASURED]  # fmt: skip
    return Section(
        "After the training",
        "Sums over an episode, by the likeliest actions; *certainty*: the posterior probability of the user's kind.",
        ("recommender", *names, "certainty before the last step"),
        rows,
    )


def goodhart(found: Measured) -> Figure:
    """Draws true value over steps, over divergence, and of exact policies."""
    figure = Figure(figsize=(15, 4.6), layout="constrained")
    over_steps, over_divergence, exact = figure.subplots(1, 3, sharey=True)
    for name in RECOMMENDERS:
        course = found.courses[name]
        interval_line(over_steps, course.steps, course.value, LABELS[name], COLOURS[name])
        interval_line(over_divergence, course.divergence.mean(axis=1), course.value, LABELS[name], COLOURS[name])
    for name in PROXIES:
        order = np.argsort(found.frontier.divergence[name])
        across, up = found.frontier.divergence[name][order], found.frontier.value[name][order]
        exact.plot(across, up, "o-", color=COLOURS[name], ms=3.5, lw=1.6, label=LABELS[name])
    over_steps.set(xlabel="slates in training", ylabel="true value of an episode", title="while learning")
    over_divergence.set(xlabel="divergence from uniform, nats an episode", title="while learning")
    exact.set(xlabel="divergence from uniform, nats an episode", title="exact policies")
    for axes in figure.axes:
        _bounds(axes, found)
    over_steps.legend(frameon=False, fontsize=8)
    return figure


def kinds(found: Measured) -> Figure:
    """Draws true value to each kind of user, a bar for each recommender."""
    figure = Figure(figsize=(8.5, 4.2), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(RECOMMENDERS)
    for number, name in enumerate(RECOMMENDERS):
        each = [estimate(row) for row in found.outcomes[name].kinds]
        low, high = ([getattr(one, end) or one.value for one in each] for end in ("low", "high"))
        values = np.array([one.value for one in each])
        bars = np.abs(np.stack([values - low, high - values]))
        places = np.arange(len(KINDS)) + (number - 1.5) * width
        axes.bar(places, values, width, yerr=bars, color=COLOURS[name], label=LABELS[name], capsize=2)
    axes.axhline(0, color="black", lw=0.7)
    axes.set(xticks=range(len(KINDS)), xticklabels=list(KINDS), ylabel="true value of an episode")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _bounds(axes: Axes, found: Measured) -> None:
    axes.axhline(found.frontier.best, color="black", ls=":", lw=0.9, zorder=0)
    axes.axhline(found.frontier.known, color="black", ls="--", lw=0.9, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
