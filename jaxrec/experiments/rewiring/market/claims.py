"""The claims about recommenders that learn while they compete: which there are follows from what is trained."""

from dataclasses import replace
from functools import partial

import numpy as np

from jaxrec.experiments.reports.claims import REPORTED, Claim, above, below
from jaxrec.experiments.rewiring.market.measure import BAITED, Measured, place_of
from jaxrec.experiments.rewiring.market.settings import RIVALS, MarketConfig, Run

FUTURE = "Carvalho, section 8: competing with the local strategies, recommenders must learn to be of use to be adopted"
QUESTION = "Carvalho, section 5.3, question 3, asked of learners: does competition leave users better off?"
BAIT = "Carvalho, section 8: bait and switch is expected to emerge"
WALLS = "beyond the paper: an exclusive recommender is adopted for its walls, so that no bait is needed"
OURS = "beyond the paper"
MONOPOLY = "payoff of a user beyond a monopoly that is paid for the same"
LOST = "payoff that users lose because the recommender knows that it has won"
JUDGED = {"aligned": "cooperation", "engagement": "own_requests"}
"""Reward -> the metric that it pays."""


def claims(config: MarketConfig) -> list[Claim[Measured]]:
    """Lists the claims about competition, adoption, bait, walls, what is learned at all, and who is served how."""
    parts = (_competition, _adoption, _bait, _walls, _alignment, _rivals, _learns, _focused, _continued)
    return [claim for part in parts for run in _played(config) for claim in part(config, run)]


def _played(config: MarketConfig) -> list[Run]:
    """The runs that are played at the size of their training: the others are in the tables alone."""
    return [run for run in config.runs if run.users in config.evaluation_users]


def _competition(config: MarketConfig, run: Run) -> list[Claim[Measured]]:
    """Compares what users get where a learner has competitors, and where it serves everybody."""
    alone = replace(run, market="monopoly", exclusive=config.exclusive[0])
    if run.market in ("monopoly", "rivals") or alone not in config.runs:
        return []
    source = QUESTION if run.market == "duel" else FUTURE
    judge = above(0.0) if run.reward == "engagement" or run.market == "duel" else REPORTED
    return [
        Claim(f"{run}: {MONOPOLY}", partial(_gap, more=run, less=alone, metric="payoff"), judge, source),
        Claim(
            f"{run}: cooperation beyond a monopoly that is paid for the same",
            partial(_gap, more=run, less=alone, metric="cooperation"),
            REPORTED,
            source,
        ),
    ]


def _adoption(config: MarketConfig, run: Run) -> list[Claim[Measured]]:
    """Asks whether a learner among heuristics wins users."""
    if run.market not in ("local", "mixed"):
        return []
    start = round(config.initial_share * run.users) / run.users
    share = partial(_mean, run=run, metric="share")
    return [Claim(f"{run}: share of users at the end", share, above(start), f"{OURS}: adopted beyond its start")]


def _bait(config: MarketConfig, run: Run) -> list[Claim[Measured]]:
    """Asks whether a learner exploits users once it has won them."""
    if run.market not in BAITED:
        return []
    lost = partial(_lost, run=run)
    if run.reward != "engagement":
        return [Claim(f"{run}: {LOST}", lost, REPORTED, OURS)]
    return [Claim(f"{run}: {LOST}", lost, above(0.0, claimed=not run.exclusive), WALLS if run.exclusive else BAIT)]


def _walls(config: MarketConfig, run: Run) -> list[Claim[Measured]]:
    """Compares the share of a learner behind walls and without."""
    if run.market not in ("local", "mixed") or not run.exclusive or False not in config.exclusive:
        return []
    gap = partial(_gap, more=run, less=replace(run, exclusive=False), metric="share")
    return [Claim(f"{run}: share at the end beyond that of an open one", gap, above(0.0), WALLS)]


def _alignment(config: MarketConfig, run: Run) -> list[Claim[Measured]]:
    """Compares what learners that are paid for requests and for cooperation do to society."""
    if run.reward != "engagement" or "aligned" not in config.rewards:
        return []
    return [
        Claim(
            f"{run}: {metric}, less that of a learner that is paid for cooperation",
            partial(_gap, more=run, less=replace(run, reward="aligned"), metric=metric),
            below(0.0),
            "Carvalho, section 4.3, asked of recommenders that compete",
        )
        for metric in ("cooperation", "payoff")
    ]


def _rivals(config: MarketConfig, run: Run) -> list[Claim[Measured]]:
    """Asks who wins where a learner that is paid for requests meets one that is paid for cooperation."""
    if run.market != "rivals":
        return []
    return [
        Claim(
            f"{run}: share of the aligned learner beyond that of the engaging one",
            partial(_lead, run=run),
            REPORTED if run.exclusive else above(0.0),
            "Carvalho, section 5.3, question 2, asked of recommenders that learn",
        )
    ]


def _learns(config: MarketConfig, run: Run) -> list[Claim[Measured]]:
    """Compares what a learner is paid for with what random recommendations get in its place."""
    if run.learners > 1:
        return []
    metric = JUDGED[run.reward]
    random = partial(_beyond_random, run=run, metric=metric)
    return [Claim(f"{run}: {metric} beyond random recommendations in its place", random, above(0.0), OURS)]


def _focused(config: MarketConfig, run: Run) -> list[Claim[Measured]]:
    """Asks whether the first learner serves users who cooperate otherwise than users who defect."""
    return [
        Claim(
            f"{run}: fraction of cooperators recommended to cooperators, less that to defectors",
            partial(_served, run=run),
            REPORTED,
            "Carvalho, section 8: are focused nodes served differently based on their strategy?",
        )
    ]


def _continued(config: MarketConfig, run: Run) -> list[Claim[Measured]]:
    """Compares learning that went on among more users with what was learned before, played among as many."""
    smaller = config.smaller(run)
    if smaller is None or run.learners > 1:
        return []
    metric = JUDGED[run.reward]
    gain = partial(_gain, run=run, smaller=smaller, metric=metric)
    return [Claim(f"{run}: {metric} beyond what was learned among {smaller.users} users", gain, above(0.0), OURS)]


# Statistics: float[seeds] each.


def _mean(found: Measured, run: Run, metric: str) -> np.ndarray:
    """A metric at the size of the training."""
    return found.of(run).means(metric)


def _gap(found: Measured, more: Run, less: Run, metric: str) -> np.ndarray:
    """How much higher a metric is with one recommender than with another."""
    return found.of(more).means(metric) - found.of(less).means(metric)


def _served(found: Measured, run: Run) -> np.ndarray:
    """How many more of those recommended to cooperators cooperate; 0 of a seed that recommended to one kind alone."""
    return np.nan_to_num(found.of(run).means("to_cooperators") - found.of(run).means("to_defectors"))


def _gain(found: Measured, run: Run, smaller: Run, metric: str) -> np.ndarray:
    """How much higher a metric is than with the weights that the training began with."""
    return found.of(run).means(metric) - found.of(smaller).means(metric, run.users)


def _lost(found: Measured, run: Run) -> np.ndarray:
    """What users lose by bait and switch; 0 in an episode that is never won."""
    return found.of(run).lost


def _lead(found: Measured, run: Run) -> np.ndarray:
    """How much larger the share of the second learner, the aligned one, is than that of the first."""
    return found.of(run).means("share", learner=1) - found.of(run).means("share")


def _beyond_random(found: Measured, run: Run, metric: str) -> np.ndarray:
    """How far a learner is beyond random recommendations; the mean of a share of their episodes for each seed."""
    means = found.of(run).means(metric)
    played = found.heuristics[place_of(run, run.users)][metric][RIVALS.index("random")]
    episodes = played if played.ndim == 1 else played[:, 0]
    return means - np.array([share.mean() for share in np.array_split(episodes, len(means))])
