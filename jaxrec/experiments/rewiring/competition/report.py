"""The report of the competition between recommenders: Figures 15 and 16, Table 6, and the user never focused."""

import numpy as np
from matplotlib.figure import Figure

from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import Finding, spoken, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.competition.claims import ALIGNED, ENGAGEMENT, LEADS, MANY
from jaxrec.experiments.rewiring.competition.measure import Measured
from jaxrec.experiments.rewiring.competition.settings import (
    EXPERIMENTS,
    KINDS,
    MAJORITY,
    PUBLISHED,
    CompetitionConfig,
)
from jaxrec.experiments.rewiring.figures import COLOURS
from jaxrec.experiments.rewiring.sweep import Ends
from jaxrec.statistics import estimate

TABLE_6 = {
    "engagement alone": (0.06372, 71487, None),
    "engagement against a local majority": (0.0, 39301, 0.925),
    "local alone": (0.0, 33934, None),
    "many against a local majority": (0.432, 277428, 0.227),
    "aligned against a local majority": (0.362, 225245, 0.427),
    "aligned against an engagement majority": (0.469, 417636, 0.443),
    "aligned alone": (0.52152, 34542, None),
}
"""The paper's Table 6: cooperation, rewires, and the final share of whoever began with the majority."""


def report(config: CompetitionConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows Figure 15, its artefact, and the adoption experiments.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    written = Report(
        "Recommenders that compete for users",
        f"{config.users} users, each with a recommender, copy a neighbour's by the rules `{config.rules}` at beta "
        f"= {config.beta_recommender:g}; all but the local heuristic recommend only among their own users. W1: "
        "structural updates for each strategy update; W2: recommender updates for each other update.",
    )
    _add_figure_15(config, found.figure_15, written)
    if found.artefact is not None:
        _add_artefact(config, found.figure_15, found.artefact, written)
    written.figures["figure16"] = _figure_16(found)
    written.sections.append(_adoption(config, found))
    written.data["adoption"] = {
        **{metric: {name: found.of_experiment(name, metric) for name in EXPERIMENTS}
           for metric in ("shares", "cooperation", "rewires")},
        "kinds": KINDS,
    }  # fmt: skip
    written.answers = _answers(found, findings)
    return written


def _answers(found: Measured, findings: list[Finding]) -> list[Answer]:
    named = {one.name: one for one in findings}
    engagement, aligned = named[ENGAGEMENT], named[ALIGNED]
    leads = [one for one in findings if one.name.endswith(LEADS)]
    many, alone = (
        found.of_experiment(name, "cooperation").mean()
        for name in ("many against a local majority", "engagement alone")
    )
    answers = [
        Answer(
            f"Do users adopt the recommender that serves them? {spoken(aligned.holds)}: from {1 - MAJORITY:.0%} in a "
            f"local majority, aligned recommenders end with a share of {aligned.estimate} (the paper: yes).",
            "figure16",
        ),
        Answer(
            f"Do they adopt the one that keeps them busy? {spoken(engagement.holds)}: from {1 - MAJORITY:.0%} in a "
            f"local majority, engagement ends with a share of {engagement.estimate} (the paper: no)."
        ),
        Answer(
            f"Does competition help cooperation? {spoken(named[MANY].verdict)}: {many:.2f} of users cooperate at the "
            f"end where many recommenders compete, {alone:.2f} with engagement alone."
        ),
    ]
    if leads:
        answers.append(
            Answer(
                "Does the recommender of cooperators lead among four in a local majority? Of the cells "
                f"where users change recommenders, in so many: {tally(leads)}.",
                "figure15",
            )
        )
    return answers


def _add_figure_15(config: CompetitionConfig, ends: Ends, written: Report) -> None:
    """Adds the final shares of four recommenders in a local majority, over W1 and W2."""
    grid = config.grid
    flat = ends.shares.reshape(len(grid), config.runs, len(KINDS))
    shares = ends.shares.reshape(len(config.timescales), len(config.recommender_timescales), config.runs, len(KINDS))
    cooperation = ends.cooperation.reshape(shares.shape[:-1])
    written.figures["figure15"] = _figure_15(config, shares, cooperation)
    written.sections.append(
        Section(
            "Figure 15: four recommenders in a local majority",
            f"Start: {MAJORITY:.0%} local, the rest in equal parts. {config.runs} runs a cell of {config.steps:,} "
            f"time-steps{', or to fixation' if config.stop_at_fixation else ''}; bands: 95 % intervals.",
            ("W1", "W2", "cooperation", *KINDS),
            [
                (
                    f"{w1:g}",
                    f"{w2:g}",
                    str(estimate(ends.cooperation.reshape(len(grid), -1)[i])),
                    *(f"{value:.3f}" for value in flat[i].mean(axis=0)),
                )
                for i, (w1, w2) in enumerate(grid)
            ],
            ["figure15"],
        )
    )
    written.data["figure15"] = {"cells": grid, "kinds": KINDS, "shares": flat, "cooperation": cooperation}


def _figure_15(config: CompetitionConfig, shares: np.ndarray, cooperation: np.ndarray) -> Figure:
    """One panel for each W1; `shares` is [W1, W2, runs, kinds], `cooperation` [W1, W2, runs]."""
    figure = Figure(figsize=(4.6 * len(config.timescales) + 1, 4.2), layout="constrained")
    panels = figure.subplots(1, len(config.timescales), squeeze=False)[0]
    for axes, w1, panel, cooperating in zip(panels, config.timescales, shares, cooperation, strict=True):
        for kind, name in enumerate(KINDS):
            interval_line(axes, config.recommender_timescales, panel[..., kind], name, COLOURS[name])
        axes.plot(config.recommender_timescales, cooperating.mean(axis=-1), "k:", label="cooperators")
        axes.set(title=f"W1 = {w1:g}", xlabel="W2", ylabel="final share of users", ylim=(-0.03, 1.03))
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _add_artefact(config: CompetitionConfig, ends: Ends, artefact: Ends, written: Report) -> None:
    """Adds the published cell with one user never focused, next to the corrected one."""
    corrected = config.runs_of(PUBLISHED)

    def row(name: str, cooperation: np.ndarray, shares: np.ndarray) -> tuple[str, ...]:
        return (name, str(estimate(cooperation)), *(str(estimate(shares[:, kind])) for kind in range(len(KINDS))))

    def known(name: str, table: dict[str, float]) -> tuple[str, ...]:
        return (name, f"{table['cooperation']:.2f}", *(f"{table[kind]:.3g}" for kind in KINDS))

    w1, w2 = PUBLISHED
    written.sections.append(
        Section(
            "The user who was never focused",
            f"W1 = {w1:g}, W2 = {w2:g}. The author's program draws the focal user from all but one: that user never "
            "changes, collects ties and decides the outcome. Both ways, next to figures of an independent program at "
            f"10^7 time-steps (here: {config.steps:,}).",
            ("users focused", "cooperation", *KINDS),
            [
                row("all", ends.cooperation[corrected], ends.shares[corrected]),
                known("all, independent", reference.SHARES),
                row("all but one", artefact.cooperation, artefact.shares),
                known("all but one, independent", reference.SHARES_FROZEN),
            ],
        )
    )


def _figure_16(found: Measured) -> Figure:
    """The final shares in each experiment with more than one recommender."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    rivals = [name for name, initial in EXPERIMENTS.items() if len(initial) > 1]
    left = np.zeros(len(rivals))
    for kind in KINDS:
        width = np.array([found.share(name, kind).mean() for name in rivals])
        axes.barh(rivals, width, left=left, color=COLOURS[kind], label=kind)
        left += width
    cooperation = [found.of_experiment(name, "cooperation").mean() for name in rivals]
    axes.plot(cooperation, rivals, "D", color="black", label="cooperators")
    axes.set(xlabel="final share of users", xlim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def _adoption(config: CompetitionConfig, found: Measured) -> Section:
    """Table 6."""
    rows = []
    for name, initial in EXPERIMENTS.items():
        paper = TABLE_6[name]
        majority = found.share(name, next(iter(initial)))
        rows.append(
            (
                name,
                str(estimate(found.of_experiment(name, "cooperation"))),
                f"{found.of_experiment(name, 'rewires').mean():,.0f}",
                str(estimate(majority)) if len(initial) > 1 else "-",
                f"{paper[0]:.3f}; {paper[1]:,}; {'-' if paper[2] is None else f'{paper[2]:.3f}'}",
            )
        )
    header = ("experiment", "cooperation", "rewires", "final share of the initial majority")
    return Section(
        "Figure 16 and Table 6: adoption",
        f"Here: {config.adoption_runs} runs of {config.adoption_steps:,} time-steps, W1 = 1, W2 = "
        f"{config.adoption_timescale:g}, rules `{config.rules}`. The paper states 10^5 time-steps, in which its "
        "competition rows cannot have made more rewires than steps; it states no W2.",
        (*header, "paper: cooperation; rewires; share"),
        rows,
        ["figure16"],
    )
