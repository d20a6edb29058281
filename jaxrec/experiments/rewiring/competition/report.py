"""The report of the competition between recommenders: Figures 15 and 16, Table 6, and why users adopt."""

import numpy as np

from jaxrec.experiments.reports.findings import Finding, spoken, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.competition import figures
from jaxrec.experiments.rewiring.competition.claims import (
    ALIGNED,
    AVERAGES,
    ENGAGEMENT,
    LEADS,
    MANY,
    TIES,
    corrected,
    of,
)
from jaxrec.experiments.rewiring.competition.measure import Measured
from jaxrec.experiments.rewiring.competition.settings import (
    EXPERIMENTS,
    KINDS,
    MAJORITY,
    PUBLISHED,
    SEEDED,
    TABLE_6,
    WALLS,
    CompetitionConfig,
)
from jaxrec.experiments.rewiring.competition.walls import Walls
from jaxrec.statistics import estimate


def report(config: CompetitionConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows Figure 15, its artefact, the adoption experiments, and why exclusive recommenders are adopted.

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
        f"= {config.beta_recommender:g}. An *exclusive* recommender recommends only among its own users, as the paper "
        "says that they do; an *open* one among all. The local heuristic is never exclusive. W1: structural updates "
        "for each strategy update; W2: recommender updates for each other update.",
    )
    written.figures["figure15"] = figures.figure_15(config, found)
    written.sections.append(_cells(config, found))
    if found.artefact is not None:
        written.sections.append(_artefact(config, found))
    written.figures["figure16"] = figures.figure_16(config, found)
    written.sections += [_adoption(config, place, found) for place in range(len(config.exclusive))]
    if found.walls is not None:
        written.figures["walls"] = figures.walls(config.exclusive, found.walls)
        written.sections.append(_walls(config, found.walls))
    written.data["figure15"] = {"cells": config.grid, "kinds": KINDS, "exclusive": config.exclusive} | {
        name: getattr(found.figure_15, name) for name in ("shares", "cooperation")
    }
    written.data["adoption"] = {"experiments": list(EXPERIMENTS), "kinds": KINDS, "exclusive": config.exclusive} | {
        name: getattr(found.adoption, name) for name in ("shares", "cooperation", "rewires")
    }
    written.answers = _answers(config, found, findings)
    return written


def _answers(config: CompetitionConfig, found: Measured, findings: list[Finding]) -> list[Answer]:
    named = {one.name: one for one in findings}
    ways = [WALLS[exclusive] for exclusive in config.exclusive]

    def both(name: str) -> str:
        each = [(way, named[of(way, name)]) for way in ways]
        return "; ".join(
            f"{way} {'undecided' if one.undecided else spoken(one.holds).lower()}, {one.estimate}" for way, one in each
        )

    leads = {way: [one for one in findings if one.name.startswith(way) and one.name.endswith(LEADS)] for way in ways}
    answers = [
        Answer(
            f"Do users adopt the recommender that serves them? From a seed of {1 - MAJORITY:.0%} in a local majority, "
            f"aligned recommenders end with a share beyond it: {both(ALIGNED)} (the paper: yes).",
            "figure16",
        ),
        Answer(f"Do they adopt the one that keeps them busy? {both(ENGAGEMENT)} (the paper: no)."),
        *([_why(named)] if found.walls is not None and True in config.exclusive else []),
        Answer(
            "Does competition help cooperation? Where many recommenders compete, more users cooperate at the end than "
            f"with engagement alone: {both(MANY)} more of them (the paper: yes)."
        ),
    ]
    if any(leads.values()):
        counted = "; ".join(f"{way} in {tally(some)}" for way, some in leads.items())
        text = f"Does the recommender of cooperators lead among four in a local majority? Of the cells: {counted}."
        answers.append(Answer(text, "figure15"))
    return answers


def _why(named: dict[str, Finding]) -> Answer:
    ties, shares = ([named[text.replace("{}", name)] for name in SEEDED] for text in (TIES, AVERAGES))
    gathered = ", ".join(f"{name} {one.estimate}" for name, one in zip(SEEDED, ties, strict=True))
    less = ", ".join(f"{name} {one.estimate}" for name, one in zip(SEEDED, shares, strict=True))
    return Answer(
        f"Why are exclusive recommenders adopted? Ties gather at their users, relative to others: {gathered}. Where "
        f"payoffs are averages, so that ties do not pay, the same seed ends with a share that is smaller by {less}.",
        "walls",
    )


def _cells(config: CompetitionConfig, found: Measured) -> Section:
    """Final shares of four recommenders in a local majority, over W1 and W2."""
    rows = []
    for place, exclusive in enumerate(config.exclusive):
        for number, (w1, w2) in enumerate(config.grid):
            cell = (place, *divmod(number, len(config.recommender_timescales)))
            shares = found.figure_15.shares[cell].mean(axis=0)
            cooperating = str(estimate(found.figure_15.cooperation[cell]))
            rows.append((WALLS[exclusive], f"{w1:g}", f"{w2:g}", cooperating, *(f"{value:.3f}" for value in shares)))
    return Section(
        "Figure 15: four recommenders in a local majority",
        f"Start: {MAJORITY:.0%} local, the rest in equal parts. {config.runs} runs a cell of {config.steps:,} "
        f"time-steps{', or to fixation' if config.stop_at_fixation else ''}; bands: 95 % intervals.",
        ("", "W1", "W2", "cooperation", *KINDS),
        rows,
        ["figure15"],
    )


def _artefact(config: CompetitionConfig, found: Measured) -> Section:
    """The published cell with one user never focused, next to the corrected one."""

    def row(name: str, samples: dict[str, np.ndarray]) -> tuple[str, ...]:
        return (name, *(str(estimate(samples[one])) for one in ("cooperation", *KINDS)))

    def known(name: str, table: dict[str, float]) -> tuple[str, ...]:
        return (name, f"{table['cooperation']:.2f}", *(f"{table[kind]:.3g}" for kind in KINDS))

    assert found.artefact is not None
    frozen = {"cooperation": found.artefact.cooperation} | dict(zip(KINDS, found.artefact.shares.T, strict=True))
    w1, w2 = PUBLISHED
    return Section(
        "The user who was never focused",
        f"W1 = {w1:g}, W2 = {w2:g}, exclusive. The author's program draws the focal user from all but one: that user "
        "never changes, collects ties and decides the outcome. Both ways, next to figures of an independent program at "
        f"10^7 time-steps (here: {config.steps:,}).",
        ("users focused", "cooperation", *KINDS),
        [
            row("all", corrected(found, config)),
            known("all, independent", reference.SHARES),
            row("all but one", frozen),
            known("all but one, independent", reference.SHARES_FROZEN),
        ],
    )


def _adoption(config: CompetitionConfig, place: int, found: Measured) -> Section:
    """Table 6, of exclusive or of open recommenders."""
    rows = []
    for number, (name, initial) in enumerate(EXPERIMENTS.items()):
        cooperation, rewires, share = TABLE_6[name]
        rows.append(
            (
                name,
                str(estimate(found.cooperation(place, name))),
                f"{found.adoption.rewires[place, number].mean():,.0f}",
                str(estimate(found.share(place, name, next(iter(initial))))) if len(initial) > 1 else "-",
                f"{cooperation:.3f}; {rewires:,}; {'-' if share is None else f'{share:.3f}'}",
            )
        )
    header = ("experiment", "cooperation", "rewires", "final share of the initial majority")
    return Section(
        f"Figure 16 and Table 6: adoption of {WALLS[config.exclusive[place]]} recommenders",
        f"Here: {config.adoption_runs} runs of {config.adoption_steps:,} time-steps"
        f"{', or to fixation' if config.stop_at_fixation else ''}, W1 = 1, W2 = {config.adoption_timescale:g}, rules "
        f"`{config.rules}`. The paper states 10^5 time-steps, in which its competition rows cannot have made more "
        "rewires than steps; it states no W2.",
        (*header, "paper: cooperation; rewires; share"),
        rows,
        ["figure16"],
    )


def _walls(config: CompetitionConfig, walls: Walls) -> Section:
    """Seeds of one recommender, with payoffs that add up and that average."""
    rows = [
        (
            name,
            WALLS[exclusive],
            *(str(estimate(values[row, place])) for values in (walls.degree[-1], walls.payoff[-1], *walls.share)),
        )
        for row, name in enumerate(SEEDED)
        for place, exclusive in enumerate(config.exclusive)
    ]
    header = ("seed", "", "ties, none changing", "payoff a tie, none changing", "share, payoffs add up")
    return Section(
        "Why exclusive recommenders are adopted",
        f"{config.wall_users} users of degree {config.wall_degree}, a seed of {1 - MAJORITY:.0%} among local ones, "
        f"{config.wall_runs} runs of {config.wall_steps:,} time-steps, W1 = 1. Left: none changes its recommender "
        "(W2 = 0): how many neighbours the users of the seed have at the end, relative to the others; and their payoff "
        f"against one neighbour less the others'. Right: users change (W2 = {config.wall_timescale:g}), with payoffs "
        "that add up over neighbours, as in the paper, and with averages, which more ties do not raise.",
        (*header, "share, payoffs average"),
        rows,
        ["walls"],
    )
