"""The report of retraining in rounds."""

import numpy as np

from jaxrec.envs.preference.dynamics import DEGREES
from jaxrec.experiments.preference import figures as pictures
from jaxrec.experiments.preference.rounds import figures
from jaxrec.experiments.preference.rounds.claims import (
    BIAS,
    CHOSEN,
    DROP,
    LOST,
    MEMORY,
    METRICS,
    OPTIMISM,
    RATCHET,
    RECOVERED,
    SPARED,
)
from jaxrec.experiments.preference.rounds.measure import Measured
from jaxrec.experiments.preference.rounds.ratchet import MEASURES, left_alone
from jaxrec.experiments.preference.rounds.settings import RoundsConfig, title
from jaxrec.experiments.preference.rounds.swaps import SWAPS
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate


def report(config: RoundsConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows users who stay with exact platforms or choose between them, survivors, and learning platforms by round.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    alone = left_alone(config)
    users = "new users each round" if config.rate == 1 else f"users of whom some leave (rate {config.rate:g})"
    written = Report(
        "Retraining in rounds, and users who stay",
        f"Platforms serve users in sessions of ten slates; bait of height {config.bait_height:g} lies at "
        f"{config.bait_centre:g} degrees. Of users whom nobody serves, {_near(alone, 80)} are within 40 degrees of 80 "
        f"after the first session and the last, {_near(alone, 270)} of 270. Exact platforms plan by dynamic "
        f"programming, see preferences, and serve the same {config.exact_users} users for {config.exact_rounds} "
        f"sessions. Learning platforms log {config.users} users a round ({users}), learn a model of them from these "
        f"logs alone, train the next recommender in it and deploy it; {config.rounds} rounds after logs of mixed "
        f"policies. {config.seeds} seeds each (of exact "
        "platforms, groups of users). Sums over a session, of the users as they are.",
    )
    conditions = found.conditions
    written.figures = {
        "ratchet": figures.ratchets(config, found),
        "choices": figures.choices(found.contests),
        "survivors": figures.optimism(found.survivors),
        "rounds": figures.courses(conditions),
        "preferences": pictures.heat_maps(
            [(f"penalty {one.penalty:g}{', remembers' if one.remembers else ''}", one.users)
             for one in found.stays if one.counts == "dwell"] + [("left alone", alone)], "session", first=1,
        ),
    }  # fmt: skip
    written.sections = [_stays(found), _contests(found), *_swaps(found), _survivors(found), _rounds(found)]
    if found.swapped is not None:
        written.figures["exchanges"] = figures.exchanges(found.swapped)
    written.data = {
        "stays": [vars(one) for one in found.stays],
        "left alone": alone,
        "contests": [vars(one) for one in found.contests],
        "survivors": vars(found.survivors),
        "exchanges": {} if found.swapped is None else found.swapped.engagement,
    } | {one.title: {metric: one.course(metric) for metric in METRICS} for one in conditions}
    written.answers = _answers(config, {one.name: one for one in findings})
    return written


def _near(users: np.ndarray, centre: float) -> str:
    """The share of users within 40 degrees, after the first session and the last."""
    away = np.abs((DEGREES - centre + 180) % 360 - 180)
    return " and ".join(f"{share:.0%}" for share in users[[0, -1]][:, away <= 40].sum(axis=1))


def _answers(config: RoundsConfig, named: dict[str, Finding]) -> list[Answer]:
    strong = max(config.exact_penalties)
    rises = [one for name, one in named.items() if name.endswith(RATCHET)]
    saved = [one for name, one in named.items() if name.endswith(MEMORY)]
    at = f"exact, {title('dwell', strong)}"
    lost = f", and lose {named[f'{at}: {LOST}'].estimate} of safe engagement a session" if strong else ""
    memory = (
        f" A platform that remembers how users joined saves safe engagement in {tally(saved)} cases; penalised by "
        f"{strong:g}, {named[f'{at}: {MEMORY}'].estimate} a session."
        if saved
        else ""
    )
    answers = [
        Answer(
            f"Do shifts ratchet over {config.exact_rounds} sessions? In {tally(rises)} kinds of exact platforms users "
            f"end further from their natural preferences; paid for dwelling with a penalty of {strong:g}, by "
            f"{named[f'{at}: {RATCHET}'].estimate} degrees{lost}.{memory}",
            "ratchet",
        )
    ]
    rivals = [one for name, one in named.items() if name.endswith(CHOSEN)]
    if rivals:
        spared = "; ".join(f"{name.removesuffix(f': {SPARED}')} {one.estimate}" for name, one in named.items()
                          if name.endswith(SPARED))  # fmt: skip
        answers.append(
            Answer(
                f"Do users who choose go to the platform paid for dwelling, without penalty? In {tally(rivals)} cases "
                "more than half of them do in the last session"
                + (f". Choosing brings them safe engagement a session: {spared}." if spared else "."),
                "choices",
            )
        )
    if config.diagnosed:
        swaps = {name: named[f"{RECOVERED}{text}"] for name, text in SWAPS.items() if f"{RECOVERED}{text}" in named}
        drop = named[f"paid for dwelling: {DROP}"]
        answers.append(
            Answer(
                f"Does the platform paid for dwelling lose engagement in round 2? {drop.answer}: "
                f"logs of mixed policies, as in round 1, would bring {drop.estimate} more. Exchanges bring: "
                + "; ".join(f"{SWAPS[name]} {one.estimate}" for name, one in swaps.items())
                + ".",
                "exchanges",
            )
        )
    optimism, bias = named[OPTIMISM], named[BIAS]
    answers.append(
        Answer(
            f"Is a model optimistic that is learned from those who stayed? {optimism.answer}: it expects "
            f"{optimism.estimate} more engagement than a model of everyone; survivors live {bias.estimate} more.",
            "survivors",
        )
    )
    return answers


def _stays(found: Measured) -> Section:
    rows = [
        (
            title(one.counts, one.penalty) + (", remembers" if one.remembers else ""),
            *(f"{estimate(one.measures[name][0])} -> {estimate(one.measures[name][-1])}" for name in MEASURES),
        )
        for one in found.stays
    ]
    header = ("engagement", "safe since joining", "twice r(session's start)", "degrees from natural", "bait")
    return Section(
        "Users who stay with exact platforms",
        "First session -> last. *Remembers*: the penalty is about what users preferred when they joined, and natural "
        "preferences since then; elsewhere about those at the start of each session. Below: who prefers "
        "what, session by session, where dwelling is paid.",
        ("platform", *header),
        rows,
        ["ratchet", "preferences"],
    )


def _contests(found: Measured) -> Section:
    rows = [
        (
            one.title,
            f"{one.sharpness:g}",
            *(f"{estimate(course[0])} -> {estimate(course[-1])}" for course in (
                one.share, one.measures["engagement"], one.measures["safe"], one.measures["apart"]
            )),
        )
        for one in found.contests
    ]  # fmt: skip
    return Section(
        "Users who choose between two exact platforms",
        "First session -> last, of all users, who stay. They go to a platform in proportion to exp(sharpness x their "
        "mean engagement there so far), which is 0 where they have not been yet: the sharper, the more they stay where "
        "they went first. Platforms plan for the users who come, as if there were no other.",
        ("platforms", "sharpness", "share of the former", "engagement", "safe since joining", "degrees from natural"),
        rows,
        ["choices"],
    )


def _swaps(found: Measured) -> list[Section]:
    if found.swapped is None:
        return []
    rows = [(text, str(estimate(found.swapped.engagement[name]))) for name, text in SWAPS.items()]
    return [
        Section(
            "Round 2 taken apart",
            "The platform paid for dwelling, without penalty: engagement of new users in an episode, with each "
            "exchange. Logs of mixed policies are those of round 1, whose number is shown; exact inference exchanges "
            "model, recommender and beliefs together.",
            ("exchanged", "r(u_t), engagement"),
            rows,
            ["exchanges"],
        )
    ]


def _survivors(found: Measured) -> Section:
    one = found.survivors
    rows = [(source, str(estimate(one.lived[source])), str(estimate(one.anticipated[source]))) for source in one.lived]
    return Section(
        "Models of survivors",
        f"Users are shown random slates; {float(np.mean(one.share)):.0%} of those who joined never left. Models are "
        "learned from the last session of these, and of as many of all users, had none left.",
        ("learned from", "lived", "expected by the model"),
        rows,
        ["survivors"],
    )


def _rounds(found: Measured) -> Section:
    rows = [
        (one.title, str(number + 1), *(str(estimate(each.mean(metric))) for metric in METRICS))
        for one in found.conditions
        for number, each in enumerate(one.rounds)
    ]
    return Section("Learning platforms, round by round", "", ("platform", "round", *METRICS.values()), rows, ["rounds"])
