"""The report of the study of offline learning."""

from typing import Any

from jaxrec.experiments.preference.offline import figures
from jaxrec.experiments.preference.offline.claims import BELIEVED, CLOSED, CONSTRAINED, NEARLY, SAFER
from jaxrec.experiments.preference.offline.measure import OPTIMUM, Measured
from jaxrec.experiments.preference.offline.settings import UPWARDS, OfflineConfig, platform
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import Estimate, estimate

LABELS = ("r(u_t)", "r(u_0)", "r(u_t^rnd)")


def report(config: OfflineConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows believed against true value, what is safe, and off-policy estimates.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    written = Report(
        "Learning from a platform's logs alone",
        f"Users of PreferenceShift-v0 whose current preference is seen, {config.seeds} logs of each platform. A "
        "platform shows the myopic slate, and with some probability a random one. Fitted Q iteration with a table "
        f"learns from its logs: *{UPWARDS}* takes an action that was never logged to earn the most there is, 1 a step; "
        "*threshold* considers "
        "only actions with so large a share among the logged ones; *pessimism* lowers each value by so much over the "
        "square root of its steps. What each is truly worth, and what it does to preferences, is exact.",
    )
    written.figures = {
        "believed": figures.believed(config, found),
        "thresholds": figures.thresholds(config, found),
        "safety": figures.safety(config, found),
        "shifts": figures.shifts(config, found),
        "evaluation": figures.evaluation(config, found),
    }
    written.sections = [
        Section(
            "Believed against true value",
            "Dashed: what a learner believes to earn in an episode; solid: what it earns. Means with 95 % intervals "
            "over logs.",
            figures=["believed"],
        ),
        *(_table(config, found, at) for at in range(len(config.explorations))),
        Section(
            "The threshold",
            f"Learned from {config.users[-1]:,} users. Left: what each learner earns, and dashed what it believes to "
            "earn. Right: engagement under the preferences that users had at first, and that they would have had if "
            "left alone.",
            figures=["thresholds"],
        ),
        _safety(found),
        _evaluation(config, found),
    ]
    written.data = _data(config, found)
    written.answers = _answers(config, found, findings)
    return written


def _answers(config: OfflineConfig, found: Measured, findings: list[Finding]) -> list[Answer]:
    named = {one.name: one for one in findings}
    platforms = [platform(exploration) for exploration in config.explorations]
    first, last, middle = platforms[0], platforms[-1], config.middle

    def of(where: str, learner: str, text: str) -> Estimate:
        return named[f"{where}, {learner}: {text}"].estimate

    true = estimate(found.worth[0, -1, 0, 0])
    better = [one for one in findings if one.source == CONSTRAINED]
    closed = [named[f"{name}: {CLOSED}"] for name in platforms]
    off = {name: estimate(values[-1, :, 0]) for name, values in found.estimates.items()}
    return [
        Answer(
            f"Does a learner know what its policy is worth? On the {first}, with actions that were never logged "
            f"extrapolated upwards, it believes {of(first, UPWARDS, BELIEVED)} more than the {true} that it earns; "
            f"with {middle}, {of(first, middle, BELIEVED)} more. Batch-constrained learners improve on their platform "
            f"in {tally(better)} cases.",
            "believed",
        ),
        Answer(
            "Does anybody recover the long-horizon optimum from a myopic platform's logs? Of the way from the platform "
            "to the optimum the best learner comes, "
            + "; ".join(f"{name}: {one.estimate}" for name, one in zip(platforms, closed, strict=True))
            + f". Below {NEARLY:g} by the whole interval in {tally(closed)}.",
            "thresholds",
        ),
        Answer(
            f"Is conservatism towards the logs safe? With {middle}, engagement under safe preferences exceeds the "
            f"optimum's by {of(first, middle, SAFER)} on the {first}, and by {of(last, middle, SAFER)} on the {last}: "
            "what protects users is what was logged.",
            "safety",
        ),
        Answer(
            f"Can the optimum ({found.references[OPTIMUM][0]:.2f}) be evaluated before it is deployed, from "
            f"{config.users[-1]:,} users of random slates? "
            + "; ".join(f"{name}: {one}" for name, one in off.items())
            + ".",
            "evaluation",
        ),
    ]


def _table(config: OfflineConfig, found: Measured, at: int) -> Section:
    name = platform(config.explorations[at])
    rows = [
        (
            learner,
            str(estimate(found.believed[at, -1, number])),
            *(str(estimate(values)) for values in found.worth[at, -1, number]),
        )
        for number, learner in enumerate(config.learners)
    ]
    rows.append(("the platform", "-", *(f"{value:.3f}" for value in found.logged[at])))
    rows += [(each, "-", *(f"{value:.3f}" for value in worth)) for each, worth in found.references.items()]
    return Section(
        name[0].upper() + name[1:],
        f"Learned from {config.users[-1]:,} users; sums over an episode.",
        ("recommender", "believed", *LABELS),
        rows,
    )


def _safety(found: Measured) -> Section:
    return Section(
        "What it does to users",
        "Engagement over safe engagement, learned from most users; black: the platform of the same marker; stars: "
        "policies that know how users shift, and random slates. Below, the share of users by preference over time.",
        figures=["safety", "shifts"],
    )


def _evaluation(config: OfflineConfig, found: Measured) -> Section:
    """How far estimates of each method are from the truth, and whether their intervals hold it."""
    true = found.references[OPTIMUM][0]
    rows = [
        (
            name,
            *(str(estimate(each[:, 0])) for each in values),
            f"{int(((values[-1, :, 1] <= true) & (true <= values[-1, :, 2])).sum())} of {config.seeds}",
        )
        for name, values in found.estimates.items()
    ]
    return Section(
        "Evaluating the optimum off-policy",
        f"Estimates of {true:.2f} from users of random slates: means with 95 % intervals over logs; last, in how many "
        f"logs of {config.users[-1]:,} users the interval of the bootstrap holds the true value.",
        ("method", *(f"{users:,} users" for users in config.users), "interval holds it"),
        rows,
        ["evaluation"],
    )


def _data(config: OfflineConfig, found: Measured) -> dict[str, Any]:
    """Further numbers for `results.json`."""
    return {
        "learners": config.learners,
        "users": config.users,
        "explorations": config.explorations,
        "believed": found.believed,
        "worth": found.worth,
        "platforms": found.logged,
        "references": found.references,
        "estimates": found.estimates,
    }
