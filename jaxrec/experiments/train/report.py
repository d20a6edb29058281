"""The report of a training."""

from collections.abc import Sequence

from jaxrec.experiments.reports.findings import Finding
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.train import figures
from jaxrec.experiments.train.claims import gain
from jaxrec.experiments.train.measure import LEARNED, RANDOM, TASK, Measured
from jaxrec.experiments.train.settings import TrainConfig
from jaxrec.statistics import Estimate, estimate

HEADER = (
    "policy",
    "return of an episode",
    "learned less it",
    "user utility a step",
    "social utility at the end",
    "steps of an episode",
)
LEARNING_CAPTION = (
    "Reward of a step in the course of the training, exploration included (mean of seeds, 95 % interval)."
)


def report(config: TrainConfig, measured: Measured, findings: list[Finding]) -> Report:
    """Makes the answers, the table and the figures.

    Args:
        config: the settings.
        measured: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    return Report(
        title=f"Training of {config.agent} in {config.env}: what does it earn?",
        summary=_summary(config),
        sections=[
            Section("What policies earn", _caption(config), HEADER, _rows(measured), figures=["returns"]),
            Section("Training", LEARNING_CAPTION, figures=["learning"]),
            Section("The learned policies", _use(config)),
        ],
        figures={"returns": figures.returns(measured), "learning": figures.learning(measured)},
        answers=_answers(config, measured, {finding.name: finding for finding in findings}),
    )


def _summary(config: TrainConfig) -> str:
    learner = f"{config.agent} with the network {config.network}" if config.agent == "ppo" else config.agent
    return (
        f"{learner}, {config.timesteps:,} steps, {config.seeds} seeds. The policy of each seed is then played in "
        f"{config.evaluation_episodes:,} episodes without exploration, and every policy that the society names on the "
        "same draws."
    )


def _caption(config: TrainConfig) -> str:
    return (
        f"Means over seeds of {config.evaluation_episodes:,} episodes each, with 95 % intervals over seeds. All "
        "policies play on the same draws, seed by seed: *learned less it* is a mean of differences, and its interval "
        "says whether two policies differ."
    )


def _use(config: TrainConfig) -> str:
    last = f", ... `run={config.seeds - 1}`" if config.seeds > 1 else ""
    return (
        f'`jaxrec.load_policy("DIR/checkpoints/001-{TASK}", run=0)`{last}: the policy of each seed, for '
        "`jaxrec.evaluate` and `jaxrec.rollout`, DIR being the folder of this report."
    )


def _rows(found: Measured) -> list[Sequence[str]]:
    """The table, the policy that earns most first."""
    ordered = sorted(found.played.items(), key=lambda item: -item[1].value.mean())
    return [
        (
            f"**{name}**" if name == LEARNED else name,
            str(estimate(one.value)),
            "" if name == LEARNED else str(estimate(found.gain(name))),
            str(estimate(one.user)),
            str(estimate(one.society)),
            f"{one.length.mean():.1f}",
        )
        for name, one in ordered
    ]


def _answers(config: TrainConfig, found: Measured, findings: dict[str, Finding]) -> list[Answer]:
    learned, random = found.played[LEARNED], found.played[RANDOM]
    more = findings[gain(RANDOM)]
    answers = [
        Answer(
            f"What does it earn? {estimate(learned.value)} an episode, where random recommendations earn "
            f"{estimate(random.value)}. Does it learn? {more.answer}: it earns {more.estimate} more.",
            "returns",
        ),
        Answer(_compared(found)),
        Answer(
            f"What becomes of others? Users have a utility of {estimate(learned.user)} a step, by random "
            f"recommendations {estimate(random.user)}; society {estimate(learned.society)} at the end, "
            f"by random ones {estimate(random.society)}."
        ),
    ]
    cut_off = {name: one.cut_off.mean() for name, one in found.played.items() if one.cut_off.any()}
    if cut_off:
        most = ", ".join(f"{share:.0%} of {name}" for name, share in cut_off.items())
        answers.append(Answer(f"Episodes were cut off after {config.max_steps:,} steps, and count until then: {most}."))
    return answers


def _compared(found: Measured) -> str:
    """How the learner stands with the policies that the society names."""
    gains = {name: estimate(found.gain(name)) for name in found.played if name not in (LEARNED, RANDOM)}
    if not gains:
        return "The society names no other policy."
    groups = {
        "more than": [name for name, mean in gains.items() if _sign(mean) > 0],
        "less than": [name for name, mean in gains.items() if _sign(mean) < 0],
        "not to be told from that of": [name for name, mean in gains.items() if _sign(mean) == 0],
    }
    told = "; ".join(f"{words} {', '.join(names)}" for words, names in groups.items() if names)
    return f"How does it compare with the policies that the society names? Its return is {told}."


def _sign(mean: Estimate) -> int:
    """1 where a mean lies above 0, -1 where it lies below, by its whole interval; 0 where that is undecided."""
    if mean.low is None or mean.high is None:
        return 0
    return int(mean.low > 0) - int(mean.high < 0)
