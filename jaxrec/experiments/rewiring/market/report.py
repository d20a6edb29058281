"""The report of a market of learners."""

from collections.abc import Sequence

import numpy as np

from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.rewiring.market import figures
from jaxrec.experiments.rewiring.market.claims import LOST, MONOPOLY
from jaxrec.experiments.rewiring.market.measure import Learned, Measured
from jaxrec.experiments.rewiring.market.settings import LEFT, RIVALS, MarketConfig
from jaxrec.statistics import estimate

COLUMNS = (
    "share", "cooperation", "payoff", "own_requests", "requests", "action_strategy", "to_cooperators", "to_defectors",
)  # fmt: skip
HEADER = (
    "recommender", "share at the end", "cooperation", "payoff of a user", "requests of own users", "all requests",
    "cooperators recommended", "to cooperators", "to defectors",
)  # fmt: skip


def report(config: MarketConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows what was learned in each market, next to heuristics in the same place, and who baits.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    written = Report(
        "A market of recommenders that learn",
        f"PPO, {config.seeds} seeds of each recommender, each played greedily. Rules `carvalho`, W = "
        f"{config.timescale:g}, W2 = {config.recommender_timescale:g}: users change to recommenders of fitter "
        f"neighbours. A learner among heuristics begins with {config.initial_share:.0%} of the users; two learners "
        f"leave {LEFT:.0%} to the local heuristic. Exclusive: all recommenders but the local heuristic recommend their "
        "own users alone. Cooperation: cooperators at the end of an episode; payoff: the mean of a user and time-step.",
    )
    for trained in config.users:
        learned = [one for one in found.learned if one.run.users == trained]
        for users in config.evaluation_users:
            name = f"outcomes{trained}" if users == trained else f"outcomes{trained}at{users}"
            written.figures[name] = figures.outcomes(users, learned, found)
            written.sections.append(_table(trained, users, learned, found, name))
        if any(one.bait for one in learned):
            written.figures[f"bait{trained}"] = figures.baits(learned)
            written.sections.append(_baits(trained, learned))
        written.figures[f"curves{trained}"] = figures.curves(learned)
        written.sections.append(
            Section(f"Training among {trained} users", "Bands: 95 % intervals.", figures=[f"curves{trained}"])
        )
    written.data = _data(found)
    written.answers = _answers(config, written, findings)
    return written


def _answers(config: MarketConfig, written: Report, findings: list[Finding]) -> list[Answer]:
    """The paper's question, asked of learners; whether they bait; and who is adopted."""
    beyond = [one for one in findings if one.name.endswith(MONOPOLY)]
    duel, among = ([one for one in beyond if (", duel, " in one.name) == is_duel] for is_duel in (True, False))
    baits = [one for one in findings if one.name.endswith(LOST)]
    adopted = [one for one in findings if one.name.endswith("share of users at the end")]
    first = config.users[0]
    picture = {name: name if name in written.figures else None for name in (f"outcomes{first}", f"bait{first}")}
    answers = []
    if duel:
        answers.append(
            Answer(
                "Does competition among learners leave users better off than a monopoly? Two learners: the "
                f"{MONOPOLY} is {_signs(duel)}.",
                picture[f"outcomes{first}"],
            )
        )
    if among:
        answers.append(
            Answer(
                "Must a learner be of use where users may go to a heuristic? A learner among heuristics: the "
                f"{MONOPOLY} is {_signs(among)}."
            )
        )
    if baits:
        answers.append(
            Answer(
                "Do learners bait and switch? What users lose because a learner knows that it has won is "
                f"{_signs(baits)}.",
                picture[f"bait{first}"],
            )
        )
    if adopted:
        answers.append(Answer(f"Are learners adopted beyond their start? Of all: {tally(adopted)}."))
    return answers


def _signs(findings: Sequence[Finding]) -> str:
    """Counts on which side of 0 estimates lie, beyond their intervals, and names those that lie on one."""
    sides = {
        "above 0": [one for one in findings if one.low is not None and one.low > 0],
        "below 0": [one for one in findings if one.high is not None and one.high < 0],
    }
    told = []
    for side, ones in sides.items():
        names = ": " + "; ".join(f"{one.name.partition(':')[0]}, {one.estimate}" for one in ones) if ones else ""
        told.append(f"{side} beyond chance in {len(ones)} of {len(findings)} markets{names}")
    return ", ".join(told)


def _table(trained: int, users: int, learned: Sequence[Learned], found: Measured, picture: str) -> Section:
    """Everything trained at one size and played at another or the same."""
    rows = []
    for one in learned:
        for learner in range(one.run.learners):
            name = str(one.run) if one.run.learners == 1 else f"{one.run} (learner {learner})"
            rows.append((name, *(_cell(one.means(metric, users, learner)) for metric in COLUMNS)))
    for market, played in found.heuristics.items():
        if market.endswith(f"N = {users}"):
            for i, name in enumerate(RIVALS):
                values = (played[metric][i] for metric in COLUMNS)
                cells = [_cell(value if value.ndim == 1 else value[:, 0]) for value in values]
                rows.append((f"{name}{market.removeprefix('heuristic')}", *cells))
    at = "" if users == trained else f", played among {users}"
    return Section(
        f"Trained among {trained} users{at}",
        "Learned: mean and 95 % interval over seeds. Heuristics in the learner's place: over episodes. Last columns: "
        "fractions of those recommended: to everybody, to users who cooperate, and to users who defect.",
        HEADER,
        rows,
        [picture],
    )


def _baits(trained: int, learned: Sequence[Learned]) -> Section:
    """What users lose because a recommender knows that it has won."""
    rows = []
    for one in learned:
        if one.bait:
            won = one.bait["passed"]
            where = [_mean_where(one.bait[name], won) for name in ("as_it_is", "clamped", "bait")]
            passed = str(estimate(won.mean(axis=1)))
            rows.append((str(one.run), passed, *(_cell(values) for values in where), str(estimate(one.lost))))
    return Section(
        f"Bait and switch, N = {trained}",
        "Episodes whose learner begins below half of the users and comes to half are played twice from there on the "
        "same draws; in one of them the learner goes on to observe the share and the users that it had at first. "
        "Payoffs of a user in a time-step, from there to the time limit. The last column counts an episode that is "
        "never won as one without bait.",
        ("recommender", "episodes won", "payoff as it is", "payoff if hidden", "bait where won", "bait in an episode"),
        rows,
        [f"bait{trained}"],
    )


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """float[seeds]: the mean over the chosen episodes; NaN where a seed has none."""
    counts = chosen.sum(axis=1)
    return np.where(counts > 0, np.where(chosen, values, 0).sum(axis=1) / np.maximum(counts, 1), np.nan)


def _cell(samples: np.ndarray) -> str:
    known = samples[np.isfinite(samples)]
    if not known.size:
        return "-"
    one = estimate(known)
    digits = 3 if abs(one.value) < 10 else 1
    interval = "" if one.low is None else f" [{one.low:.{digits}f}, {one.high:.{digits}f}]"
    return f"{one.value:.{digits}f}{interval}"


def _data(found: Measured) -> dict:
    """Numbers by recommender, one a seed, and of the heuristics their means."""
    return {
        "learned": {
            str(one.run): {
                "played": {
                    str(users): {
                        metric: [one.means(metric, users, learner) for learner in range(one.run.learners)]
                        for metric in COLUMNS
                    }
                    for users in one.played
                },
                "bait": {"passed": one.bait["passed"].mean(axis=1), "lost": one.lost} if one.bait else {},
            }
            for one in found.learned
        },
        "heuristics": {
            market: {metric: dict(zip(RIVALS, _means(values), strict=True)) for metric, values in played.items()}
            for market, played in found.heuristics.items()
        },
    }


def _means(values: np.ndarray) -> np.ndarray:
    """float[heuristics]: the means over episodes; NaN where none has a value."""
    known = np.isfinite(values)
    sums, counts = (np.where(known, part, 0).sum(axis=tuple(range(1, values.ndim))) for part in (values, 1.0))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
