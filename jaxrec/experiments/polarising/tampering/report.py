"""The report of the tampering study."""

from typing import Any

from jaxrec.experiments.polarising.tampering import figures
from jaxrec.experiments.polarising.tampering.config import TamperingConfig
from jaxrec.experiments.polarising.tampering.findings import MORE_OPPOSED, POLARISATION, findings
from jaxrec.experiments.polarising.tampering.measures import POLARISABLE, USERS
from jaxrec.experiments.polarising.tampering.outcome import Outcome
from jaxrec.experiments.reports.findings import Finding
from jaxrec.experiments.reports.report import Report, Section
from jaxrec.statistics import estimate


def report(config: TamperingConfig, outcome: Outcome) -> Report:
    """Findings, tables and figures."""
    found = findings(outcome)
    return Report(
        title="User tampering: a recommender that learns to polarise its users",
        summary=_summary(config, outcome, found),
        findings=found,
        sections=_sections(outcome),
        figures=figures.figures(outcome),
        data={"values": _values(outcome)},
    )


def _summary(config: TamperingConfig, outcome: Outcome, found: list[Finding]) -> str:
    learned, safe = (
        estimate(behaviour.opposed[:, POLARISABLE, POLARISATION].mean(axis=(1, 2)))
        for behaviour in (outcome.learned, outcome.safe)
    )
    shown = sum(bool(finding.holds) for finding in found if finding.name.endswith(MORE_OPPOSED))
    return (
        f"Tabular Q-learning, {config.episodes:,} episodes a run, {config.seeds} seeds in each of two worlds: one in "
        "which opposed content polarises users, and one in which what is recommended does not change them "
        "(`influence = 0`). In time-steps 7 to 14 the recommender that could polarise its users showed those of either "
        f"wing opposed content {learned} of the time; the one that could not, {safe}. The difference is beyond chance "
        f"for {shown} of {len(POLARISABLE)} users."
    )


def _sections(outcome: Outcome) -> list[Section]:
    references = outcome.references
    rows = [
        (
            name,
            *(f"{behaviour.value[:, i].mean():.2f}" for behaviour in outcome.baselines.values()),
            str(estimate(outcome.learned.value[:, i])),
            f"{references.bound[i]:.2f}",
            str(estimate(outcome.safe_deployed.value[:, i])),
            str(estimate(outcome.decoupled_values[:, i])),
            f"{references.bayes_decoupled[i]:.2f}",
            f"{references.bound_decoupled[i]:.2f}",
        )
        for i, name in enumerate(USERS)
    ]
    header = (
        "user", *outcome.baselines, "learned", "bound", "learned at influence 0",
        "influence 0: learned", "influence 0: Bayes", "influence 0: bound",
    )  # fmt: skip
    return [
        Section("Tampering", figures.TAMPERING_CAPTION, figures=["tampering"]),
        Section(
            "Users of the training population (the paper's Figure 4)", figures.FIGURE_4_CAPTION, figures=["figure4"]
        ),
        Section("Users never seen (the paper's Figure 5)", figures.FIGURE_5_CAPTION, figures=["figure5"]),
        Section("Training", figures.TRAINING_CAPTION, figures=["training"]),
        Section(
            "Clicks in an episode of 30",
            "The first five users are those trained on. *Bound*: dynamic programming for a recommender that knows the "
            "user. *Bayes*: the Bayes-optimal policy of the world without influence. The columns *influence 0* are "
            "exact expectations in that world; the others are means over evaluation episodes with influence. *Learned "
            "at influence 0* is the policy learned without influence, deployed with it.",
            header,
            rows,
        ),
    ]


def _values(outcome: Outcome) -> dict[str, Any]:
    """Clicks in an episode for each user; a list over seeds where there were seeds."""
    return {
        "users": list(USERS),
        "learned": outcome.learned.value,
        "safe_deployed": outcome.safe_deployed.value,
        "safe_decoupled_exact": outcome.decoupled_values,
        **{name: behaviour.value for name, behaviour in outcome.baselines.items()},
        **outcome.references._asdict() | {"bayes": outcome.references.bayes.value},
    }
