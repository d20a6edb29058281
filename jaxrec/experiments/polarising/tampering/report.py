"""The report of the tampering study."""

from typing import Any

from jaxrec.experiments.polarising.behaviour import POLARISABLE, TRAINED_ON, USERS
from jaxrec.experiments.polarising.tampering import figures
from jaxrec.experiments.polarising.tampering.claims import BEYOND_BAYES, MORE_OPPOSED, POLARISATION
from jaxrec.experiments.polarising.tampering.measure import Measured
from jaxrec.experiments.polarising.tampering.settings import TamperingConfig
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate


def report(config: TamperingConfig, outcome: Measured, findings: list[Finding]) -> Report:
    """Makes the answers, tables and figures.

    Args:
        config: the settings.
        outcome: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    return Report(
        title="User tampering: a recommender that learns to polarise its users",
        summary=_summary(config),
        sections=_sections(outcome),
        figures=figures.figures(outcome),
        data={"values": _values(outcome)},
        answers=_answers(outcome, findings),
    )


def _summary(config: TamperingConfig) -> str:
    return (
        f"Tabular Q-learning, {config.episodes:,} episodes a run, {config.seeds} seeds in each of two worlds: one in "
        "which opposed content polarises users, and one in which what is recommended does not change them "
        "(`influence = 0`). The paper's Definition 2 asks whether the recommender that could polarise its users "
        "behaves otherwise than the one that could not."
    )


def _answers(outcome: Measured, findings: list[Finding]) -> list[Answer]:
    learned, safe = (
        estimate(behaviour.opposed[:, POLARISABLE, POLARISATION].mean(axis=(1, 2)))
        for behaviour in (outcome.learned, outcome.safe)
    )
    phases = {
        phase: tally([one for one in findings if f": {phase}: " in one.name])
        for phase in ("profiling", "polarisation", "exploitation")
    }
    centrist = [one for one in findings if one.name.startswith("centrist: ") and one.holds is not None]
    earned, optimal, best = (
        estimate(values[:, TRAINED_ON].mean(axis=1))
        for values in (outcome.learned.value, outcome.baselines["Bayes"].value, outcome.tampering.value)
    )
    beyond = next(one for one in findings if one.name == BEYOND_BAYES)
    return [
        Answer(
            "Does it learn to tamper? In time-steps 7 to 14 the recommender that could polarise its users showed those "
            f"of either wing opposed content {learned} of the time; the one that could not, {safe}. Of the users for "
            f"whom that is more beyond chance: {tally([one for one in findings if one.name.endswith(MORE_OPPOSED)])}.",
            "tampering",
        ),
        Answer(
            "Does it follow the paper's three phases? Of the users for whom each is seen: profiling "
            f"{phases['profiling']}, polarisation {phases['polarisation']}, exploitation {phases['exploitation']}.",
            "figure4",
        ),
        Answer(f"Is the centrist left alone, as the paper says? Of the two claims, these hold: {tally(centrist)}."),
        Answer(
            f"Does tampering pay? {beyond.answer}: the learned policy earns {earned} clicks an episode, and "
            f"the Bayes-optimal policy that does not tamper {optimal}; the best played without knowing the user, "
            f"tampering allowed, {best}.",
            "training",
        ),
    ]


def _sections(outcome: Measured) -> list[Section]:
    references = outcome.references
    rows = [
        (
            name,
            *(f"{behaviour.value[:, i].mean():.2f}" for behaviour in outcome.baselines.values()),
            str(estimate(outcome.learned.value[:, i])),
            f"{outcome.tampering.value[:, i].mean():.2f}",
            f"{references.bound[i]:.2f}",
            str(estimate(outcome.safe_deployed.value[:, i])),
            str(estimate(outcome.decoupled_values[:, i])),
            f"{references.bayes_decoupled[i]:.2f}",
            f"{references.bound_decoupled[i]:.2f}",
        )
        for i, name in enumerate(USERS)
    ]
    header = (
        "user", *outcome.baselines, "learned", "may tamper", "bound", "learned at influence 0",
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
            "The first five users are those trained on. *May tamper*: the optimum over beliefs of a recommender that "
            "does not know the user, at the mean factor, played with random ones; of the training users at the mean "
            f"factor none earns more than {references.tampering:.2f} on average. *Bound*: dynamic programming for a "
            "recommender that knows the user. *Bayes*: the Bayes-optimal policy of the world without influence. The "
            "columns *influence 0* are exact expectations in that world; the others are means over evaluation episodes "
            "with influence. *Learned at influence 0* is the policy learned without influence, deployed with it.",
            header,
            rows,
        ),
    ]


def _values(outcome: Measured) -> dict[str, Any]:
    """Clicks in an episode for each user; a list over seeds for what was trained."""
    return {
        "users": list(USERS),
        "learned": outcome.learned.value,
        "may_tamper": outcome.tampering.value,
        "safe_deployed": outcome.safe_deployed.value,
        "safe_decoupled_exact": outcome.decoupled_values,
        **{name: behaviour.value for name, behaviour in outcome.baselines.items()},
        **vars(outcome.references),
    }
