"""The report of a training."""

from matplotlib.figure import Figure

from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import Finding, spoken
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.train.claims import FIELDS, beyond
from jaxrec.experiments.train.measure import LEARNED, Measured
from jaxrec.experiments.train.settings import TrainConfig
from jaxrec.statistics import estimate

CAPTION = "Reward of a step in the course of the training, exploration included: mean of the seeds, 95 % interval."
TABLE = "Means over seeds, 95 % intervals; seed i of each policy played on the same draws, rewards undiscounted."


def report(config: TrainConfig, measured: Measured, findings: list[Finding]) -> Report:
    """Makes the answers, the table and the learning curve.

    Args:
        config: the settings.
        measured: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    rows = [
        (name, *(str(estimate(getattr(one, field))) for field in ("value", *FIELDS)))
        for name, one in measured.played.items()
    ]
    return Report(
        title=f"{config.agent} in {config.env}",
        summary=(
            f"{config.agent}, {measured.steps[-1]:,} steps a training (whole updates), {config.seeds} seeds; then "
            f"{config.evaluation_episodes:,} episodes of each policy and seed. The learned policies: "
            "`jaxrec.load_policy(DIR, run=0)`, where DIR is the folder of this report."
        ),
        sections=[
            Section("Policies", TABLE, ("policy", "return", *FIELDS.values()), rows),
            Section("Training", CAPTION, figures=["training"]),
        ],
        figures={"training": training(measured)},
        data={name: vars(one) for name, one in measured.played.items()},
        answers=_answers(config, measured, {finding.name: finding for finding in findings}),
    )


def _answers(config: TrainConfig, measured: Measured, findings: dict[str, Finding]) -> list[Answer]:
    learned = measured.played[LEARNED]
    answers = [Answer(f"What does it earn? {estimate(learned.value)} an episode.", "training")]
    for name in config.compare:
        finding = findings[beyond(name)]
        more = estimate(learned.value - measured.played[name].value)
        answers.append(Answer(f"More than {name}? {spoken(finding.verdict)}: {more} more an episode."))
    user = f"{estimate(learned.user)} a step for users, {estimate(learned.society)} at the end for society"
    return [*answers, Answer(f"What is it worth to others? {user}; the table has the same of the other policies.")]


def training(found: Measured) -> Figure:
    """Draws the reward over the training."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    interval_line(axes, found.steps, found.reward, "mean of the seeds", "#7a3b8f")
    axes.set(xlabel="steps of a training", ylabel="reward of a step")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
