"""The claims about learning to rewire: which there are follows from what is trained, and where it is played."""

from dataclasses import replace
from functools import partial

import numpy as np

from jaxrec.experiments.reports.claims import REPORTED, Claim, above, below
from jaxrec.experiments.rewiring.learning.measure import JUDGED, Measured, Run, runs_of, smaller_run
from jaxrec.experiments.rewiring.learning.settings import LearningConfig

PAPER = "Carvalho, section 4.2"
ANALYSIS = "Carvalho, section 4.3"
OURS = "beyond the paper"
BEATEN = {
    (10, "aligned", "mlp"),
    (10, "aligned", "gat"),
    (10, "engagement", "gat"),
    (30, "aligned", "mlp"),
    (30, "aligned", "gat"),
}
"""Where the paper says that what was trained beats all heuristics (captions of its Figures 9 to 11)."""
TRANSFERS = {(10, "engagement", "gat"): 100, (100, "aligned", "mlp"): 500}
"""What the paper says beats all heuristics also at another size, and that size."""


def claims(config: LearningConfig) -> list[Claim[Measured]]:
    """Lists the claims about heuristics, rewards, networks, transfer between sizes, and further training."""
    groups = (_against_heuristics, _alignment, _networks, _transfer, _continued)
    return [claim for group in groups for run in runs_of(config) for claim in group(config, run)]


def _against_best(title: str, run: Run, users: int, source: str) -> Claim[Measured]:
    """Claims that a recommender beats the best heuristic at a size, by the metric of its reward."""
    metric = JUDGED[run.reward]
    return Claim(
        f"{title}: {metric} beyond {{}}, the best of eleven heuristics",
        partial(_beyond_best, run=run, users=users),
        above(0.0),
        source,
        lambda found: found.heuristics[users].best[metric][0],
    )


def _against_heuristics(config: LearningConfig, run: Run) -> list[Claim[Measured]]:
    """Claims that a recommender beats all heuristics at the size it was trained at."""
    if run.users not in config.evaluation_users:
        return []
    source = PAPER if (run.users, run.reward, run.network) in BEATEN else OURS
    return [_against_best(str(run), run, run.users, source)]


def _alignment(config: LearningConfig, run: Run) -> list[Claim[Measured]]:
    """Compares what being paid for engagement and for cooperation does to society.

    The paper excepts N = 30 from what it says of cooperation and of heterogeneity.
    """
    if run.reward != "engagement" or "aligned" not in config.rewards or run.users not in config.evaluation_users:
        return []
    falls = (REPORTED, OURS) if run.users == 30 else (below(0.0), ANALYSIS)
    judged = {
        "cooperation": falls,
        "degree_variance": falls,
        "assortativity": (REPORTED, OURS),
        "requests": (above(0.0), OURS),
    }
    return [
        Claim(
            f"{run.network}, N = {run.users}: {metric}, trained for engagement less trained for cooperation",
            partial(_gap, more=run, less=replace(run, reward="aligned"), users=run.users, metric=metric),
            judge,
            source,
        )
        for metric, (judge, source) in judged.items()
    ]


def _networks(config: LearningConfig, run: Run) -> list[Claim[Measured]]:
    """Compares graph attention and embeddings of single users.

    Of cooperation at N = 30 the paper says both: the text that the MLP is better, Figure 11 the reverse.
    """
    if run.network != "gat" or "mlp" not in config.networks or run.users not in config.evaluation_users:
        return []
    judge, source = REPORTED, OURS
    if run.users == 10:
        judge, source = above(0.0), PAPER
    elif (run.users, run.reward) == (30, "engagement"):
        judge, source = below(0.0), PAPER
    metric = JUDGED[run.reward]
    return [
        Claim(
            f"N = {run.users}, trained for {run.reward}: {metric}, gat beyond mlp",
            partial(_gap, more=run, less=replace(run, network="mlp"), users=run.users, metric=metric),
            judge,
            source,
        )
    ]


def _transfer(config: LearningConfig, run: Run) -> list[Claim[Measured]]:
    """Claims about policies played at another size than they were trained at."""
    found = []
    size = TRANSFERS.get((run.users, run.reward, run.network))
    if size in config.evaluation_users:
        found.append(_against_best(f"{run}, played at N = {size}", run, size, PAPER))
    at_home = [one for one in runs_of(config) if (one.users, one.reward) == (10, run.reward)]
    if (run.users, run.reward) == (30, "aligned") and 10 in config.evaluation_users and at_home:
        title = f"{run}, played at N = 10: {JUDGED[run.reward]} beyond the best trained there"
        found.append(Claim(title, partial(_beyond_trained, run=run, users=10, others=at_home), above(0.0), PAPER))
    return found


def _continued(config: LearningConfig, run: Run) -> list[Claim[Measured]]:
    """Claims that further training in a larger society adds to the weights that it began with, played there."""
    smaller, metric = smaller_run(config, run), JUDGED[run.reward]
    if smaller is None or run.users not in config.evaluation_users:
        return []
    gap = partial(_gap, more=run, less=smaller, users=run.users, metric=metric)
    return [Claim(f"{run}: {metric} beyond what was learned at N = {smaller.users}", gap, above(0.0), OURS)]


# Statistics: float[seeds] each.


def _gap(found: Measured, more: Run, less: Run, users: int, metric: str) -> np.ndarray:
    """How much higher a metric is with one recommender than with another, played at a size."""
    return found.of(more).means(users, metric) - found.of(less).means(users, metric)


def _beyond_best(found: Measured, run: Run, users: int) -> np.ndarray:
    """How far a recommender beats the best heuristic, played at a size.

    The interval holds the noise of both: the mean of a share of the heuristic's episodes is taken from the
    mean of each seed.
    """
    metric = JUDGED[run.reward]
    means = found.of(run).means(users, metric)
    _, episodes = found.heuristics[users].best[metric]
    return means - np.array([share.mean() for share in np.array_split(episodes, len(means))])


def _beyond_trained(found: Measured, run: Run, users: int, others: list[Run]) -> np.ndarray:
    """How far a recommender beats the best of others, played at a size."""
    metric = JUDGED[run.reward]
    best = max((found.of(other).means(users, metric) for other in others), key=np.mean)
    return found.of(run).means(users, metric) - best
