"""The claims about retraining in rounds: what is paid for, what a penalty does when users stay, who is learned from."""

from functools import partial

import numpy as np

from jaxrec.experiments.preference.rounds.measure import Measured
from jaxrec.experiments.preference.rounds.settings import PAID, Kind, RoundsConfig, title
from jaxrec.experiments.preference.rounds.swaps import SWAPS
from jaxrec.experiments.reports.claims import REPORTED, Claim, above

SOURCE = 'Lambert, "Recommendations are a game"'
PENALTY = "Carroll et al. 2022, section 5: a penalty keeps shifts safe, shown for one episode"
OURS = "beyond the papers"

METRICS = {
    "engagement": "r(u_t), engagement",
    "click": "clicks",
    "bait": "bait consumed",
    "safe": "safe: r(u_0) + r(u_t^rnd)",
    "steered": "steered: total variation from natural",
    "expected": "engagement that the model expects",
    "logged": "engagement of the users logged",
    "error": "model: loss on what is logged next",
    "apart": "model: anticipated against lived",
}

ORDERINGS = (("click", "click", "dwell"), ("bait", "click", "dwell"), ("engagement", "dwell", "click"))
"""A metric of the last round, the payment that brings more of it, and the one that brings less."""

RATCHET = "degrees from natural preferences, last session beyond first"
LOST = "engagement under safe preferences since joining, first session beyond last"
MEMORY = "the same, what a platform saves that remembers how users joined"
SAFER = "engagement under safe preferences since joining, penalised beyond unpenalised"
CHOSEN = "users of the former in the last session, beyond half"
SPARED = "engagement under safe preferences in the last session, where users choose beyond where they go anywhere"
DROP = "engagement, round 1 beyond round 2"
RECOVERED = "engagement in round 2 with an exchange, beyond as it is: "
OPTIMISM = "engagement that a model of survivors expects beyond one of everyone"
BIAS = "engagement that survivors live beyond everyone"


def claims(config: RoundsConfig) -> list[Claim[Measured]]:
    """Lists the claims about exact platforms whose users stay or choose, survivors, and learning platforms."""
    return [
        *_of_stays(config),
        *_of_penalties(config),
        *_of_contests(config),
        *_of_survivors(),
        *_of_swaps(config),
        *_of_learning(config),
    ]


def _of_stays(config: RoundsConfig) -> list[Claim[Measured]]:
    listed: list[Claim[Measured]] = []
    for counts in PAID:
        for penalty in config.exact_penalties:
            name = f"exact, {title(counts, penalty)}"
            stay = {"counts": counts, "penalty": penalty}
            rise = partial(_change, measure="apart", sign=1.0, **stay)
            loss = partial(_change, measure="safe", sign=-1.0, **stay)
            listed += [Claim(f"{name}: {RATCHET}", rise, above(0.0), OURS)]
            if penalty:
                listed += [
                    Claim(f"{name}: {LOST}", loss, above(0.0), OURS),
                    Claim(f"{name}: {MEMORY}", partial(_saved, **stay), above(0.0), OURS),
                ]
    if 0.0 in config.exact_penalties:
        bait = partial(_between, measure="bait", more="click", less="dwell")
        engagement = partial(_between, measure="engagement", more="dwell", less="click")
        listed += [
            Claim("exact, first session: bait consumed, paid for clicks beyond dwelling", bait, above(0.0), SOURCE),
            Claim("exact, first session: engagement, paid for dwelling beyond clicks", engagement, above(0.0), SOURCE),
        ]
    return listed


def _of_penalties(config: RoundsConfig) -> list[Claim[Measured]]:
    """Whether a penalty leaves users safer than none: in the first session, and in the last."""
    if 0.0 not in config.exact_penalties:
        return []
    return [
        Claim(
            f"exact, {title(counts, penalty)}, {session} session: {SAFER}",
            partial(_safer, counts=counts, penalty=penalty, session=at),
            above(0.0),
            source,
        )
        for counts in PAID
        for penalty in config.exact_penalties
        if penalty
        for session, at, source in (("first", 0, PENALTY), ("last", -1, OURS))
    ]


def _of_contests(config: RoundsConfig) -> list[Claim[Measured]]:
    """Who wins users that choose, and whether they are the better for choosing."""
    listed: list[Claim[Measured]] = []
    for one, other in config.rivals:
        for sharpness in config.sharpness:
            name = f"{title(*one)} against {title(*other)}, sharpness {sharpness:g}"
            contest = {"rival": other, "sharpness": sharpness}
            if sharpness:
                listed.append(Claim(f"{name}: {CHOSEN}", partial(_chosen, **contest), above(0.0), OURS))
            if sharpness and 0.0 in config.sharpness:
                listed.append(Claim(f"{name}: {SPARED}", partial(_spared, **contest), above(0.0), OURS))
    return listed


def _of_survivors() -> list[Claim[Measured]]:
    kinds = {
        BIAS: (("lived", "survivors"), ("lived", "everyone"), above(0.0)),
        OPTIMISM: (("anticipated", "survivors"), ("anticipated", "everyone"), above(0.0)),
        "engagement that a model of survivors expects beyond what everyone lives": (
            ("anticipated", "survivors"),
            ("lived", "everyone"),
            REPORTED,
        ),
        "engagement that a model of everyone expects beyond what everyone lives": (
            ("anticipated", "everyone"),
            ("lived", "everyone"),
            REPORTED,
        ),
    }
    return [
        Claim(name, partial(_believed, more=more, less=less), judge, OURS)
        for name, (more, less, judge) in kinds.items()
    ]


def _of_swaps(config: RoundsConfig) -> list[Claim[Measured]]:
    if not config.diagnosed:
        return []
    exchanged = [
        Claim(f"{RECOVERED}{text}", partial(_recovered, name=name), above(0.0), OURS)
        for name, text in SWAPS.items()
        if name not in ("none", "logs")
    ]
    return [Claim(f"paid for dwelling: {DROP}", partial(_recovered, name="logs"), above(0.0), OURS), *exchanged]


def _of_learning(config: RoundsConfig) -> list[Claim[Measured]]:
    """Of the last round, where there are both payments; and how models fare from the first round to the last."""
    ordered = [
        Claim(
            f"learning, {f'penalised by {penalty:g}' if penalty else 'unpenalised'}: {METRICS[metric]}, paid for "
            f"{PAID[more]} beyond paid for {PAID[less]}",
            partial(_gap, metric=metric, more=(more, penalty), less=(less, penalty)),
            above(0.0),
            SOURCE,
        )
        for penalty in config.penalties
        for metric, more, less in ORDERINGS
        if set(PAID) <= set(config.counts)
    ]
    safer = [
        Claim(
            f"learning, paid for {PAID[counts]}: {METRICS['safe']}, penalised by {penalty:g} beyond unpenalised",
            partial(_gap, metric="safe", more=(counts, penalty), less=(counts, 0.0)),
            above(0.0),
            PENALTY,
        )
        for counts in config.counts
        for penalty in config.penalties
        if penalty and 0.0 in config.penalties
    ]
    course = [
        Claim(
            f"learning, {title(counts, penalty)}: {METRICS[metric]}, last round less first",
            partial(_course, metric=metric, platform=(counts, penalty)),
            REPORTED,
            OURS,
        )
        for counts in config.counts
        for penalty in config.penalties
        for metric in ("error", "apart")
    ]
    return [*ordered, *safer, *course]


# Statistics: float[seeds] each.


def _change(found: Measured, counts: str, penalty: float, measure: str, sign: float) -> np.ndarray:
    course = found.stay(counts, penalty).measures[measure]
    return sign * (course[-1] - course[0])


def _saved(found: Measured, counts: str, penalty: float) -> np.ndarray:
    remembered, forgotten = (found.stay(counts, penalty, remembers).measures["safe"] for remembers in (True, False))
    return remembered[-1] - forgotten[-1]


def _safer(found: Measured, counts: str, penalty: float, session: int) -> np.ndarray:
    penalised, free = (found.stay(counts, nu).measures["safe"][session] for nu in (penalty, 0.0))
    return penalised - free


def _chosen(found: Measured, rival: Kind, sharpness: float) -> np.ndarray:
    return found.contest(rival, sharpness).share[-1] - 0.5


def _spared(found: Measured, rival: Kind, sharpness: float) -> np.ndarray:
    anywhere, chosen = (found.contest(rival, each).measures["safe"][-1] for each in (0.0, sharpness))
    return chosen - anywhere


def _between(found: Measured, measure: str, more: str, less: str) -> np.ndarray:
    return found.stay(more, 0.0).measures[measure][0] - found.stay(less, 0.0).measures[measure][0]


def _believed(found: Measured, more: tuple[str, str], less: tuple[str, str]) -> np.ndarray:
    high, low = (getattr(found.survivors, field)[source] for field, source in (more, less))
    return high - low


def _recovered(found: Measured, name: str) -> np.ndarray:
    assert found.swapped is not None
    return found.swapped.engagement[name] - found.swapped.engagement["none"]


def _gap(found: Measured, metric: str, more: tuple[str, float], less: tuple[str, float]) -> np.ndarray:
    return found.of(*more).rounds[-1].mean(metric) - found.of(*less).rounds[-1].mean(metric)


def _course(found: Measured, metric: str, platform: tuple[str, float]) -> np.ndarray:
    course = found.of(*platform).course(metric)
    return course[-1] - course[0]
