"""The claims about recommenders that compete for users: Figure 15, its artefact, Table 6, and why users adopt."""

from collections.abc import Callable
from functools import partial

import numpy as np

from jaxrec.experiments.reports.claims import REPORTED, Claim, above, below
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.competition.measure import Measured
from jaxrec.experiments.rewiring.competition.settings import (
    AUTHOR,
    EXPERIMENTS,
    KINDS,
    MAJORITY,
    PUBLISHED,
    SEEDED,
    TABLE_6,
    WALLS,
    CompetitionConfig,
)
from jaxrec.experiments.rewiring.reference import agreement

PAPER = "Carvalho, section 5.3"
ADOPTED = f"{PAPER}, question 1: is it adopted beyond its seed?"
SEED = 1 - MAJORITY
STAYS = 0.05
"""A share that changes by less stays practically the same."""

LEADS = "share of good beyond the best of bad, random and fair"
LOSES = "share of local where it has no majority"
ENGAGEMENT = "share of engagement in a local majority"
ALIGNED = "share of aligned in a local majority"
DOMINATES = "share of aligned in an engagement majority"
MANY = "cooperation: many recommenders compete, beyond engagement alone"
TIES = "ties: users of an exclusive seed of {} have relative to others, none changing"
AVERAGES = "share of an exclusive seed of {}: payoffs add up, minus averages"


def claims(config: CompetitionConfig) -> list[Claim[Measured]]:
    """Lists the claims about the cells of Figure 15, the user never focused, adoption, and the reason for it."""
    listed: list[Claim[Measured]] = []
    for place, exclusive in enumerate(config.exclusive):
        wall = WALLS[exclusive]
        for w1, w2 in config.grid:
            listed += _of_cell(config, place, wall, w1, w2)
        listed += _of_adoption(place, wall)
    listed += _of_artefact(config) if config.has_artefact else []
    return listed + (_of_walls(config) if config.wall_users and True in config.exclusive else [])


def of(wall: str, name: str) -> str:
    """The name of a claim about exclusive or open recommenders."""
    return f"{wall}, {name}"


def _of_cell(config: CompetitionConfig, place: int, wall: str, w1: float, w2: float) -> list[Claim[Measured]]:
    """What section 5.2 says of a pair of time scales; nothing where none changes its recommender."""
    where = f"W1 = {w1:g}, W2 = {w2:g}"

    def shares(found: Measured) -> np.ndarray:
        return found.figure_15.shares[(place, *config.place_of(w1, w2))]

    if w2 == 0:
        return []
    if np.isinf(w1):
        name = of(wall, f"{where}: change of the share of local")
        return [Claim(name, partial(_change, shares), below(STAYS), "Carvalho, section 5.2: practically the same")]
    listed = [Claim(of(wall, f"{where}: {LEADS}"), partial(_lead, shares), above(0.0), "Carvalho, Fig. 15: good leads")]
    if 1 <= w1 <= 2 and 0.03 <= w2 <= 0.1:
        name = of(wall, f"{where}: {LOSES}")
        source = "Carvalho, section 5.2: no majority for W1 in [1, 2], W2 in [0.03, 0.1]"
        listed.append(Claim(name, lambda found: shares(found)[:, 0], below(0.5), source))
    if (config.users, config.steps, config.rules, w1, w2) == (500, 1_000_000, "carvalho", *AUTHOR):
        name = of(wall, f"N = 500, {where}")
        cells = {each: (each, value, None) for each, value in reference.AUTHOR_500.items()}
        listed.append(agreement(name, cells, partial(_of_author, place=place, config=config)))
    return listed


def _of_adoption(place: int, wall: str) -> list[Claim[Measured]]:
    def share(experiment: str, kind: str) -> partial[np.ndarray]:
        return partial(_share, place=place, experiment=experiment, kind=kind)

    engagement, aligned = "engagement against a local majority", "aligned against a local majority"
    listed = [
        Claim(of(wall, ENGAGEMENT), share(engagement, "random"), above(SEED, False), f"{ADOPTED} (the paper: no)"),
        Claim(of(wall, ALIGNED), share(aligned, "good"), above(SEED), f"{ADOPTED} (the paper: yes)"),
        Claim(
            of(wall, DOMINATES),
            share("aligned against an engagement majority", "good"),
            above(0.5),
            f"{PAPER}, question 2: does it dominate?",
        ),
        Claim(of(wall, MANY), partial(_beyond_engagement, place=place), above(0.0), f"{PAPER}, question 3"),
    ]
    for name, initial in EXPERIMENTS.items():
        majority = TABLE_6[name][2]
        if majority is not None:
            text = of(wall, f"{name}: final share of the initial majority")
            source = f"Carvalho, Table 6: {majority:.3f}"
            listed.append(Claim(text, share(name, next(iter(initial))), REPORTED, source))
    return listed


def _of_artefact(config: CompetitionConfig) -> list[Claim[Measured]]:
    """What one user never focused adds in the published cell, and whether it agrees with an independent program."""
    w1, w2 = PUBLISHED
    artefact = Claim(
        f"W1 = {w1:g}, W2 = {w2:g}: share of local with one user never focused, minus corrected",
        partial(_more_local, config=config),
        REPORTED,
        "independent program: 0.35 - 0.002 at 10^7 time-steps",
    )
    if (config.users, config.degree, config.rules) != (1000, 30, "carvalho") or config.steps < 10_000_000:
        return [artefact]
    cells = {name: (name, reference.SHARES[name], None) for name in ("cooperation", *KINDS)}
    return [
        artefact,
        agreement("competition, corrected", cells, partial(corrected, config=config), reference.FEW_RUNS),
    ]


def _of_walls(config: CompetitionConfig) -> list[Claim[Measured]]:
    """Whether ties gather at the users of an exclusive seed, and whether that is why it is adopted."""
    place = config.exclusive.index(True)
    source = "beyond the paper: why exclusive recommenders are adopted"
    listed: list[Claim[Measured]] = []
    for row, name in enumerate(SEEDED):
        ties = partial(_ties, row=row, place=place)
        listed.append(Claim(TIES.replace("{}", name), ties, above(1.0), source))
    for row, name in enumerate(SEEDED):
        less = partial(_less_by_averages, row=row, place=place)
        listed.append(Claim(AVERAGES.replace("{}", name), less, above(0.0), source))
    return listed


# Statistics: float[runs] each.


def _lead(shares: Callable[[Measured], np.ndarray], found: Measured) -> np.ndarray:
    """How far the share of good lies above the largest of bad, random and fair."""
    good, *others = (shares(found)[:, KINDS.index(one)] for one in ("good", "bad", "random", "fair"))
    return good - np.max(others, axis=0)


def _change(shares: Callable[[Measured], np.ndarray], found: Measured) -> np.ndarray:
    return np.abs(shares(found)[:, 0] - MAJORITY)


def _share(found: Measured, place: int, experiment: str, kind: str) -> np.ndarray:
    return found.share(place, experiment, kind)


def _of_author(found: Measured, place: int, config: CompetitionConfig) -> dict[str, np.ndarray]:
    ends, cell = found.figure_15, (place, *config.place_of(*AUTHOR))
    return {"cooperation": ends.cooperation[cell], "local": ends.shares[cell][:, 0]}


def corrected(found: Measured, config: CompetitionConfig) -> dict[str, np.ndarray]:
    """Cooperation and each share -> float[runs], in the published cell, exclusive, with all users focused."""
    ends, cell = found.figure_15, (config.exclusive.index(True), *config.place_of(*PUBLISHED))
    return {"cooperation": ends.cooperation[cell]} | dict(zip(KINDS, ends.shares[cell].T, strict=True))


def _more_local(found: Measured, config: CompetitionConfig) -> np.ndarray:
    """The share of local in the published cell with one user never focused, less that without."""
    assert found.artefact is not None
    return found.artefact.shares[:, 0] - corrected(found, config)["local"]


def _beyond_engagement(found: Measured, place: int) -> np.ndarray:
    """Cooperators where many recommenders compete, beyond those with engagement alone."""
    many, alone = ("many against a local majority", "engagement alone")
    return found.cooperation(place, many) - found.cooperation(place, alone)


def _ties(found: Measured, row: int, place: int) -> np.ndarray:
    assert found.walls is not None
    return found.walls.degree[-1, row, place]


def _less_by_averages(found: Measured, row: int, place: int) -> np.ndarray:
    assert found.walls is not None
    added, averaged = found.walls.share[:, row, place]
    return added - averaged
