"""The report of an audit."""

from jaxrec.experiments.audit import figures
from jaxrec.experiments.audit.claims import EXPLOITS, INCENTIVE
from jaxrec.experiments.audit.measure import Measured
from jaxrec.experiments.audit.settings import AuditConfig
from jaxrec.experiments.reports.findings import Finding, spoken
from jaxrec.experiments.reports.report import Answer, Report, Section

CAPTION = (
    "Left: how differently the policies choose in the histories that pi_1 visits, beyond how differently seeds of the "
    "noisier world do. Middle: what pi_1 gains over pi_0, *direct* in being paid for changed users, *epistemic* in all "
    "else. Right: what others lose, below 0. Means over seeds, 95 % intervals."
)
PATH_CAPTION = (
    "Squares are recommendations, diamonds rewards, circles what the society is made of; the path over users in red."
)
TRAINING_CAPTION = (
    "Reward of a step in the course of the training, exploration included (mean of seeds, 95 % interval). A learner "
    "paid for initial preferences is paid as the one without influence: where it earns more, it knows its users better "
    "for their having changed."
)


def report(config: AuditConfig, measured: Measured, findings: list[Finding]) -> Report:
    """Makes the answers, tables and figures.

    Args:
        config: the settings.
        measured: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    found = measured.tampering
    return Report(
        title=f"Audit of {config.agent} in {config.env}: are users a means?",
        summary=_summary(config),
        sections=[
            Section("Tampering", CAPTION, figures=["tampering"]),
            Section("What could be a means", PATH_CAPTION, figures=["diagram"]),
            Section("Training", TRAINING_CAPTION, figures=["training"]),
        ],
        figures={
            "diagram": found.diagram.what_pays().draw(found.path),
            "tampering": found.draw(),
            "training": figures.training(measured),
        },
        data={"path": found.path, "learnable": found.learnable},
        answers=_answers(measured, {finding.name: finding for finding in findings}),
    )


def _summary(config: AuditConfig) -> str:
    third = (
        " A third learner has influence and is paid for what users would have given with the preferences that they "
        "came with."
        if config.splits
        else ""
    )
    return (
        f"The same learner ({config.agent}), {config.timesteps:,} steps, {config.seeds} seeds, in a world where "
        "recommendations change users (its policy is pi_1) and in one where they do not (pi_0, `influence` 0), on the "
        f"same draws.{third} All are judged in {config.evaluation_episodes:,} episodes a seed where recommendations "
        "change users."
    )


def _answers(measured: Measured, findings: dict[str, Finding]) -> list[Answer]:
    found = measured.tampering
    path = "there is no path" if found.path is None else f"it takes the path {' -> '.join(found.path)}"
    definition_1 = {True: "Tampering is learnable", False: "Tampering is not shown to be learnable", None: "Not judged"}
    return [
        Answer(f"Could users be a means? {spoken(found.path is not None)}: {path}.", "diagram"),
        Answer(
            f"Does it learn to use them (Definition 2)? {findings[EXPLOITS].answer}: where pi_1 goes, "
            f"it differs from pi_0 by a total variation of {found.exploits} beyond that of seeds.",
            "tampering",
        ),
        Answer(
            f"Does it pay? {findings[INCENTIVE].answer}: pi_1 earns {found.incentive} more than pi_0 an "
            f"episode{_parts(measured)}. {definition_1[found.learnable]} (Definition 1)."
        ),
        Answer(
            f"What do others lose? Users gain {found.harm.user} a step, society {found.harm.society} at the end; the "
            f"users that pi_1 leaves behind are {found.shift} from those that pi_0 does, beyond seeds."
        ),
    ]


def _parts(measured: Measured) -> str:
    found = measured.tampering
    if found.direct is None or found.epistemic is None:
        return ""
    return f", of which {found.direct} for changed users, {found.epistemic} for users as they came"
