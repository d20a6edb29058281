"""The claims about recommenders that compete for users: Figure 15, its artefact, and the questions of Table 6."""

from functools import partial

import numpy as np

from jaxrec.experiments.reports.claims import REPORTED, Claim, above
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.competition.measure import Measured
from jaxrec.experiments.rewiring.competition.settings import KINDS, MAJORITY, PUBLISHED, CompetitionConfig
from jaxrec.experiments.rewiring.reference import agreement

PAPER = "Carvalho, section 5.3"
ADOPTED = f"{PAPER}, question 1: is it adopted beyond its seed?"

LEADS = "share of good beyond the best of bad, random and fair"
ENGAGEMENT = "share of engagement in a local majority"
ALIGNED = "share of aligned in a local majority"
DOMINATES = "share of aligned in an engagement majority"
MANY = "cooperation: many recommenders compete, beyond engagement alone"


def claims(config: CompetitionConfig) -> list[Claim[Measured]]:
    """Lists the claims about the cells of Figure 15, the user never focused, and adoption."""
    seed = 1 - MAJORITY
    return [
        *(_of_cell(config, w1, w2) for w1, w2 in config.grid if w2 > 0),
        *(_of_artefact(config) if config.has_artefact else ()),
        Claim(
            ENGAGEMENT,
            lambda found: found.share("engagement against a local majority", "random"),
            above(seed, claimed=False),
            f"{ADOPTED} (the paper: no)",
        ),
        Claim(
            ALIGNED,
            lambda found: found.share("aligned against a local majority", "good"),
            above(seed),
            f"{ADOPTED} (the paper: yes)",
        ),
        Claim(
            DOMINATES,
            lambda found: found.share("aligned against an engagement majority", "good"),
            above(0.5),
            f"{PAPER}, question 2: does it dominate?",
        ),
        Claim(MANY, _cooperation_beyond_engagement, above(0.0), f"{PAPER}, question 3"),
    ]


def _of_cell(config: CompetitionConfig, w1: float, w2: float) -> Claim[Measured]:
    lead = partial(_lead, config=config, cell=(w1, w2))
    return Claim(f"W1 = {w1:g}, W2 = {w2:g}: {LEADS}", lead, above(0.0), "Carvalho, Fig. 15: good leads")


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
        agreement("competition, corrected", cells, partial(_corrected, config=config), reference.FEW_RUNS),
    ]


def _lead(found: Measured, config: CompetitionConfig, cell: tuple[float, float]) -> np.ndarray:
    """float[runs]: how far the share of good lies above the largest of bad, random and fair."""
    shares = found.figure_15.shares[config.runs_of(cell)]
    good, *others = (shares[:, KINDS.index(one)] for one in ("good", "bad", "random", "fair"))
    return good - np.max(others, axis=0)


def _more_local(found: Measured, config: CompetitionConfig) -> np.ndarray:
    """float[runs]: the share of local in the published cell with one user never focused, less that without."""
    assert found.artefact is not None
    return found.artefact.shares[:, 0] - found.figure_15.shares[config.runs_of(PUBLISHED), 0]


def _corrected(found: Measured, config: CompetitionConfig) -> dict[str, np.ndarray]:
    """Cooperation and each share -> float[runs], in the published cell with all users focused."""
    ends, runs = found.figure_15, config.runs_of(PUBLISHED)
    shares = {name: ends.shares[runs, i] for i, name in enumerate(KINDS)}
    return {"cooperation": ends.cooperation[runs], **shares}


def _cooperation_beyond_engagement(found: Measured) -> np.ndarray:
    """float[runs]: cooperators where many recommenders compete, beyond those with engagement alone."""
    many, alone = ("many against a local majority", "engagement alone")
    return found.of_experiment(many, "cooperation") - found.of_experiment(alone, "cooperation")
