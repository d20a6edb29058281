"""The report of learning to rewire: tables and curves."""

from typing import Any

import numpy as np

from jaxrec.envs.rewiring import ELEVEN
from jaxrec.experiments.reports.findings import Finding, spoken, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.rewiring.learning import figures
from jaxrec.experiments.rewiring.learning.measure import JUDGED, Heuristics, Learned, Measured
from jaxrec.experiments.rewiring.learning.settings import LearningConfig
from jaxrec.statistics import estimate, nanmean

SOCIETY = ("cooperation", "requests", "degree_variance", "max_degree", "assortativity")


def report(config: LearningConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows everything played at each size, the curves, and what the networks look for.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    learned, heuristics = found.learned, found.heuristics
    written = Report(
        "Recommenders that learn to rewire",
        f"PPO, {config.seeds} seeds of each recommender, each played greedily; the best heuristic, once it is known, "
        "is played in as many new episodes as all seeds of one recommender together. Cooperation: the fraction of "
        "cooperators at the end of an episode; requests: rewires that were asked for in it.",
    )
    for users in config.users:
        _add_size(config, users, found, written)
    written.sections.append(_transfer(config, learned, heuristics))
    if found.looks:
        written.sections += _looks(found.looks)
        written.figures["looks"] = figures.looks(found.looks)
    written.data = _data(found)
    written.answers = _answers(config, found, written, findings)
    return written


def _answers(config: LearningConfig, found: Measured, written: Report, findings: list[Finding]) -> list[Answer]:
    beaten = [one for one in findings if "the best of eleven heuristics" in one.name]
    home = [one for one in beaten if ", played at N = " not in one.name]
    harm = [one for one in findings if ": cooperation, trained for engagement less" in one.name]
    answers = []
    for users in config.users[:1]:
        picture = f"scatter{users}" if f"scatter{users}" in written.figures else f"curves{users}"
        answers.append(
            Answer(
                "Do learned recommenders beat all eleven heuristics at what they are paid for? Of all, each at "
                f"the size it was trained at: {tally(home)}.",
                picture,
            )
        )
    answers += [
        Answer(
            f"Does being paid for engagement cost cooperation ({one.name.partition(': ')[0]})? {_cost(one)}: "
            f"cooperation at the end, trained for engagement less trained for cooperation, is {one.estimate}."
        )
        for one in harm[:2]
    ]
    if found.looks:
        answers.append(Answer(_sought(found.looks), "looks"))
    return answers


def _cost(finding: Finding) -> str:
    """Whether a difference of cooperation is a loss: by the claim, or by its interval where there is no claim."""
    if finding.verdict is None and finding.high is not None:
        return spoken(finding.high < 0)
    return finding.answer


def _sought(looks: dict[str, Any]) -> str:
    """The feature that the score of each network goes with most."""
    strongest = []
    for run, look in looks.items():
        means = {name: float(np.mean(known)) for name, known in _known(look["correlation"]).items()}
        if means:
            name = max(means, key=lambda one: abs(means[one]))
            strongest.append(f"{run}: {name} ({means[name]:+.2f})")
    return "What do they look for? The feature that scores go with most, by rank correlation: " + "; ".join(strongest)


def _known(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The seeds that have a number, of the names that have any."""
    known = {name: values[np.isfinite(values)] for name, values in table.items()}
    return {name: values for name, values in known.items() if values.size}


def _add_size(config: LearningConfig, users: int, found: Measured, written: Report) -> None:
    """Adds the tables and pictures of the recommenders trained at one size."""
    ours = [one for one in found.learned if one.run.users == users]
    if users in config.evaluation_users:
        played = found.heuristics[users].played
        written.figures[f"scatter{users}"] = figures.scatter(users, ours, played)
        written.sections.append(_evaluation(users, ours, played))
    written.figures[f"curves{users}"] = figures.curves(users, ours)
    written.sections.append(
        Section(
            f"Learning curves, N = {users}",
            "Mean and 95 % interval over seeds; dotted: the mean of the three best seeds at the end, as the paper "
            "draws. Actions are drawn from the policy, not its likeliest.",
            figures=[f"curves{users}"],
        )
    )


def _data(found: Measured) -> dict[str, Any]:
    """Further numbers for `results.json`."""
    played = {size: rivals.played for size, rivals in found.heuristics.items()}
    return {
        "learned": [
            {
                "users": one.run.users,
                "reward": one.run.reward,
                "network": one.run.network,
                "steps": one.steps,
                "curves": one.curves,
                "played": {size: {name: one.means(size, name) for name in table} for size, table in one.played.items()},
            }
            for one in found.learned
        ],
        "heuristics": {
            size: {name: dict(zip(ELEVEN, nanmean(values), strict=True)) for name, values in table.items()}
            for size, table in played.items()
        },
        "best": {
            size: {metric: {"name": name, "mean": each.mean()} for metric, (name, each) in rivals.best.items()}
            for size, rivals in found.heuristics.items()
        },
        "looks": found.looks,
    }


def _evaluation(users: int, learned: list[Learned], heuristics: dict[str, np.ndarray]) -> Section:
    """Everything played at one size."""
    header = ("recommender", *SOCIETY, "strategy recommended", "degree recommended")
    names = (*SOCIETY, "action_strategy", "action_degree")
    rows = [(str(one.run), *(_cell(one.means(users, name)) for name in names)) for one in learned]
    rows += [(name, *(_cell(heuristics[column][i]) for column in names)) for i, name in enumerate(ELEVEN)]
    return Section(
        f"Fig. 13 with what was learned, N = {users}",
        "Learned: mean and 95 % interval over seeds. Heuristics: over episodes.",
        header,
        rows,
        [f"scatter{users}"],
    )


def _cell(samples: np.ndarray) -> str:
    known = samples[np.isfinite(samples)]
    if not known.size:
        return "-"
    one = estimate(known)
    digits = 3 if abs(one.value) < 10 else 1
    interval = "" if one.low is None else f" [{one.low:.{digits}f}, {one.high:.{digits}f}]"
    return f"{one.value:.{digits}f}{interval}"


def _transfer(config: Any, learned: list[Learned], heuristics: Heuristics) -> Section:
    """N-train x N-eval."""
    rows = [
        (str(one.run), JUDGED[one.run.reward], *(_cell(one.means(size, JUDGED[one.run.reward])) for size in one.played))
        for one in learned
    ]
    for metric in JUDGED.values():
        best = [heuristics[size].best[metric] for size in heuristics]
        rows.append(("best heuristic", metric, *(f"{_cell(episodes)} ({name})" for name, episodes in best)))
    header = ("trained", "metric", *(f"played at N = {size}" for size in config.evaluation_users))
    return Section("Transfer: trained at one size, played at another", "On what each was paid for.", header, rows)


def _looks(looks: dict[str, Any]) -> list[Section]:
    """What the networks look for."""
    sections = []
    titles = {
        "correlation": (
            "What they look for: rank correlation of score and feature",
            "Over the users who may be recommended in a request, one of the first twelve of an episode; `shared`: "
            "neighbours in common with the focused user.",
        ),
        "agreement": (
            "Agreement with each heuristic",
            "How often the likeliest user is one that the heuristic may choose, beyond a random valid user.",
        ),
        "saliency": (
            "Whose features matter: slope of the likeliest user's score",
            "Mean absolute slope in strategy and relative degree, of that user, the focused one, and all others.",
        ),
    }
    for part, (title, text) in titles.items():
        names = list(next(iter(looks.values()))[part])
        rows = [(run, *(_cell(look[part][name]) for name in names)) for run, look in looks.items()]
        sections.append(Section(title, text, ("recommender", *names), rows, ["looks"] if part == "correlation" else ()))
    return sections
