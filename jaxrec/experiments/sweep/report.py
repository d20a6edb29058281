"""The report of a sweep."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.sweep import figures
from jaxrec.experiments.sweep.measure import Measured
from jaxrec.experiments.sweep.settings import SweepConfig, said, shown
from jaxrec.experiments.train.measure import TASK
from jaxrec.statistics import estimate

COLUMNS = ("return of an episode", "less random", "user utility a step", "social utility at the end", "policies")


def report(config: SweepConfig, measured: Measured, findings: list[Finding]) -> Report:
    """Makes the answers, the table and the picture.

    Args:
        config: the settings.
        measured: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    points, header, rows = config.points(), (*config.grid(), *COLUMNS), _rows(config, measured)
    return Report(
        title=f"Sweep of {config.agent} in {config.env}: which setting earns most?",
        summary=(
            f"{config.agent}, {config.timesteps:,} steps, {len(points)} settings with {config.seeds} seeds each, "
            f"{_calls(config)}. Each policy is then played in {config.evaluation_episodes:,} episodes, without "
            "exploration. Equal seeds have equal draws at all settings."
        ),
        sections=[
            Section("What each setting earns", _caption(config), header, rows, figures=["returns"]),
        ],
        figures={"returns": figures.returns(config, measured)},
        data={"table": _table(config, measured)},
        answers=_answers(config, measured, findings),
    )


def _calls(config: SweepConfig) -> str:
    programs = config.programs()
    return "trained in one call" if len(programs) == 1 else f"trained by {len(programs)} programs, one after the other"


def _caption(config: SweepConfig) -> str:
    return (
        "Means over seeds, with 95 % intervals. The policies are those of the seeds, DIR being the folder of this "
        f'report: `jaxrec.load_policy("DIR/checkpoints/001-{TASK}", run=0)`.'
    )


def _kept(config: SweepConfig) -> dict[int, str]:
    """Where the policies of each point are: the folder of their training, and their numbers in it."""
    return {
        place: f"{number:03d}-{TASK}, {at * config.seeds} ... {(at + 1) * config.seeds - 1}"
        for number, program in enumerate(config.programs(), 1)
        for at, place in enumerate(program.places)
    }


def _rows(config: SweepConfig, found: Measured) -> list[Sequence[str]]:
    """The table, in the order of the grid."""
    rows, kept = [], _kept(config)
    for at, point in enumerate(config.points()):
        learned = found.learned[at]
        means = (learned.value, found.gain(at), learned.user, learned.society)
        rows.append((*map(said, point.values()), *(str(estimate(mean)) for mean in means), kept[at]))
    return rows


def _table(config: SweepConfig, found: Measured) -> list[dict[str, Any]]:
    """What each setting earns, as numbers: of every run again the same up to rounding, as texts are not."""
    returns = [vars(estimate(one.value)) for one in found.learned]
    return [{"setting": point, "return": value} for point, value in zip(config.points(), returns, strict=True)]


def _answers(config: SweepConfig, found: Measured, findings: list[Finding]) -> list[Answer]:
    points, values = config.points(), np.array([one.value for one in found.learned])
    most, least = (int(order(values.mean(axis=1))) for order in (np.argmax, np.argmin))
    lines = [
        Answer(
            f"Which setting earns most? {shown(points[most])}: {estimate(values[most])} an episode"
            f"{_rivals(values, most)}. {shown(points[least])} earns least, {estimate(values[least])}.",
            "returns",
        ),
        Answer(f"What does each do? {'; '.join(_effect(config, values, name) for name in config.grid())}."),
        Answer(
            f"Does it learn? At {tally(findings[len(points) :])} settings it earns more than random recommendations."
        ),
    ]
    cut_off = max(one.cut_off.max() for one in found.learned)
    if cut_off > 0:
        lines.append(
            Answer(
                f"Episodes were cut off after {config.max_steps:,} steps, and count until then: at most {cut_off:.0%}."
            )
        )
    return lines


def _rivals(values: np.ndarray, most: int) -> str:
    """How many settings cannot be told from the best, by the differences of equal seeds."""
    differences = [estimate(values[most] - other) for at, other in enumerate(values) if at != most]
    near = sum(one.low is None or one.low <= 0 for one in differences)
    return f", from which {near} of the {len(differences)} others cannot be told" if differences else ""


def _effect(config: SweepConfig, values: np.ndarray, name: str) -> str:
    """The return at each value of a setting, over all values of the others."""
    points = config.points()
    means = [
        f"{estimate(values[[point[name] == value for point in points]].mean(axis=0))} at {said(value)}"
        for value in config.grid()[name]
    ]
    return f"{name}: {', '.join(means)}"
