"""The report of the mitigations study."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrec.experiments.polarising.mitigations.claims import BOTH, safe_and_viable
from jaxrec.experiments.polarising.mitigations.measure import BANDIT, BAYES, BELIEFS, WITHOUT, Measured, Outcome
from jaxrec.experiments.polarising.mitigations.settings import MitigationsConfig, discounted, weighted
from jaxrec.experiments.reports.figures import error_bars
from jaxrec.experiments.reports.findings import Finding
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate

CAPTION = (
    "Clicks of an episode against what mitigations are to prevent: opposed content shown to users of either wing, how "
    "far users are from where they began, and what users lose of what they came for. Purple: learners by the weight of "
    "the users' utility in their reward; green: learners that look less far ahead, by their discount; grey: learned "
    "without influence; diamonds: policies that are not learned. Means with 95 % intervals over seeds. Dotted lines: "
    "left of the one a learner is safe, above the other viable."
)
PURPLE, GREEN, GREY, GOLD = "#7a3b8f", "#3b8f5a", "#777777", "#b8860b"
REFERENCES = "#222222", "#3066be", GOLD, "#e08a00", "#88b0e0", "#c23b33"
PANELS = {
    "opposed": "opposed content, share",
    "polarisation": "polarisation at the end",
    "user": "users' utility a step",
}


def report(config: MitigationsConfig, found: Measured, findings: list[Finding]) -> Report:
    """Makes the answers, the table and the picture.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    every = found.learners | found.references
    rows = [
        (name, *(str(estimate(getattr(one, field))) for field in ("clicks", "early", *PANELS)))
        for name, one in every.items()
    ]
    table = (
        "*Bayes, not tampering*: optimal where recommendations do not change users. *May tamper, best*: the optimum "
        "over beliefs at the mean factor, played with random ones; at the mean factor none who does not know the user "
        f"earns more than {found.bound:.2f}. *May tamper, paid as users came*: paid for the click probability users "
        "came with, it gains by changed users only in knowing them better; *believes that users do not change*: the "
        "same without that gain. *Knows the user, best*: the optimum for each user alone."
    )
    return Report(
        title="Mitigations of user tampering: what is safe, and what is viable",
        summary=_summary(config),
        sections=[
            Section("Clicks against tampering", CAPTION, figures=["tradeoff"]),
            Section(
                "All policies", table, ("policy", "clicks", "opposed content, steps 0 to 6", *PANELS.values()), rows
            ),
        ],
        figures={"tradeoff": tradeoff(config, found)},
        data={name: vars(one) for name, one in every.items()},
        answers=_answers(config, found, {finding.name: finding for finding in findings}),
    )


def _summary(config: MitigationsConfig) -> str:
    return (
        f"Tabular Q-learning, {config.episodes:,} episodes a run, {config.seeds} seeds: paid for (1 - w) clicks + w of "
        "the click probability that users came with, or for clicks with a smaller discount; all in one sweep. A "
        f"learner is called *safe* if it shows at most {config.safe_margin:g} more opposed content than one that "
        "learned where recommendations do not change users, and *viable* if it earns more clicks than the bandit; both "
        "by the whole 95 % interval."
    )


def _answers(config: MitigationsConfig, found: Measured, findings: dict[str, Finding]) -> list[Answer]:
    both = safe_and_viable(found, config.safe_margin)
    finding = next(one for name, one in findings.items() if name.startswith(BOTH.partition("(")[0]))
    first, last = (weighted(pick(config.weights)) for pick in (min, max))

    def told(name: str) -> str:
        return f"{name}: {estimate(found.learners[name].clicks)} clicks, {estimate(found.tampering(name))} more opposed"

    clicks = {name: estimate(one.clicks) for name, one in found.references.items()}
    answers = [
        Answer(
            f"Is what is safe unviable, and what is viable unsafe, as the paper says? {finding.answer}: "
            f"of the learners, these are shown to be both safe and viable: {', '.join(both) or 'none'}.",
            "tradeoff",
        ),
        Answer(f"What does the weight of users come to? {told(first)}; {told(last)}."),
        Answer(
            f"What would be possible? Of policies that do not know the user, the best known that may tamper earns "
            f"{clicks[BELIEFS]} clicks, the best that does not {clicks[BAYES]}, and the bandit {clicks[BANDIT]}."
        ),
    ]
    if config.gammas:
        answers.append(Answer(f"Does looking less far ahead help? {told(discounted(min(config.gammas)))}."))
    return answers


def tradeoff(config: MitigationsConfig, found: Measured) -> Figure:
    """Draws clicks against each of `PANELS`."""
    figure = Figure(figsize=(15, 5), layout="constrained")
    for axes, (field, label) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        _line(axes, [(f"{weight:g}", found.learners[weighted(weight)]) for weight in sorted(config.weights)],
              field, PURPLE, "weight of users", offset=(4, -12))  # fmt: skip
        _line(axes, [(f"{gamma:g}", found.learners[discounted(gamma)]) for gamma in sorted(config.gammas)],
              field, GREEN, "discount")  # fmt: skip
        _line(axes, [("", found.learners[WITHOUT])], field, GREY, WITHOUT)
        for (name, one), colour in zip(found.references.items(), REFERENCES, strict=True):
            _line(axes, [("", one)], field, colour, name, "D")
        axes.axhline(found.references[BANDIT].clicks.mean(), color=GREY, ls=":", lw=0.9, zorder=0)
        if field == "opposed":
            safe = found.learners[WITHOUT].opposed.mean() + config.safe_margin
            axes.axvline(safe, color=GREY, ls=":", lw=0.9, zorder=0)
            axes.set_ylabel("clicks an episode")
        axes.set_xlabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _line(
    axes: Axes,
    points: list[tuple[str, Outcome]],
    field: str,
    colour: str,
    label: str,
    marker: str = "o",
    offset: tuple[int, int] = (5, 4),
) -> None:
    """Draws policies as points with their intervals, joined in their order.

    Args:
        axes: to draw on.
        points: (what is written next to it, the policy).
        field: of `Outcome`, along the horizontal axis.
        colour: of all.
        label: of the line.
        marker: of the points.
        offset: of what is written from the point, in points.
    """
    if not points:
        return
    across = [estimate(getattr(one, field)) for _, one in points]
    up = [estimate(one.clicks) for _, one in points]
    x, y = [one.value for one in across], [one.value for one in up]
    axes.errorbar(
        x, y, xerr=error_bars(*across), yerr=error_bars(*up), fmt=f"{marker}-", color=colour, ms=5, lw=1.2, label=label
    )
    for (text, _), at, height in zip(points, x, y, strict=True):
        axes.annotate(text, (at, height), textcoords="offset points", xytext=offset, fontsize=8, color=colour)
