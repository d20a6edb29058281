"""The report of training in simulation: Table 2, what was anticipated and what happened."""

from jaxrec.experiments.preference import figures
from jaxrec.experiments.preference.reference import METRICS, TABLE_2
from jaxrec.experiments.preference.simulation.claims import EVALUATED, RECOMMENDERS, TRAINED
from jaxrec.experiments.preference.simulation.measure import PENALTIES, Measured
from jaxrec.experiments.preference.simulation.settings import SimulationConfig
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate

LABELS = {"engagement": "r(u_t)", "engagement_initial": "r(u_0)", "engagement_natural": "r(u_t^rnd)", "sum": "sum"}


def report(config: SimulationConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows Table 2, and what was anticipated and lived.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    written = Report(
        "Recommenders trained in a model learned from logs",
        f"PPO with an LSTM, {config.seeds} seeds, each with a user model of its own, learned from logged slates and "
        f"choices of {config.training_users} users. Oracle evaluation: {config.eval_episodes} users as they are; "
        "estimated evaluation: as many users simulated by the model, judged by its beliefs. What was trained in the "
        "model sees the model's beliefs also among the users as they are. Sums over an episode of ten slates.",
    )
    written.sections.append(_table(found))
    written.sections.append(_judged(found))
    panels = []
    for penalty, name in enumerate(RECOMMENDERS):
        for evaluated, what in (("estimated", "anticipated"), ("oracle", "lived")):
            users = found.cells["simulation", evaluated].shares(penalty).mean(axis=0)
            panels.append((f"{name}, {what}", users[:10]))  # no model says what users prefer after their last choice
    written.figures["anticipated"] = figures.heat_maps(panels)
    written.sections.append(
        Section(
            "What was anticipated, and what came",
            "Recommenders trained in the model: the preferences that the model expects before anything is deployed, "
            "and those of the users after.",
            figures=["anticipated"],
        )
    )
    written.data = {
        f"{trained} training, {evaluated} evaluation": {
            f"penalty {nu:g}": {name: cell.means(penalty, name) for name in LABELS}
            for penalty, nu in enumerate(PENALTIES)
        }
        for (trained, evaluated), cell in found.cells.items()
    }
    written.answers = _answers(found, findings)
    return written


def _answers(found: Measured, findings: list[Finding]) -> list[Answer]:
    penalised = [one for one in findings if one.name.endswith(": penalised beyond unpenalised")]
    deployed = next(one for one in penalised if f"{TRAINED['simulation']}, {EVALUATED['oracle']}" in one.name)
    apart = {one.name.partition(",")[0]: one.estimate for one in findings if "mean over time" in one.name}
    judged = found.cells["simulation", "oracle"]
    real, believed = (estimate(judged.means(1, "sum", by)) for by in ("", "estimated_"))
    return [
        Answer(
            "Does a penalty learned in a model of users make real users better off? "
            f"{deployed.answer}: the sum of the three engagements rises by {deployed.estimate} when penalised "
            "recommenders trained in the model are deployed."
        ),
        Answer(f"In how many of four trainings and evaluations is penalised above unpenalised? {tally(penalised)}."),
        Answer(
            "Is what the model anticipates what happens? The total variation between anticipated and lived "
            f"preferences, mean over time, is {apart['unpenalised']} without penalty and {apart['penalised']} with it.",
            "anticipated",
        ),
        Answer(
            f"After deployment, the sum of penalised recommenders is {real} by what users prefer, and {believed} by "
            "what the model believes."
        ),
    ]


def _table(found: Measured) -> Section:
    rows = []
    for evaluated, of_evaluation in EVALUATED.items():
        for metric, label in LABELS.items():
            cells = []
            for trained in TRAINED:
                for penalty in range(len(PENALTIES)):
                    published = TABLE_2[trained, evaluated][penalty]
                    paper = sum(published) if metric == "sum" else published[METRICS.index(metric)]
                    ours = estimate(found.cells[trained, evaluated].means(penalty, metric))
                    cells.append(f"{paper:.2f} / {ours}")
            rows.append((of_evaluation, label, *cells))
    header = [f"{of_training}, {name}" for of_training in TRAINED.values() for name in RECOMMENDERS]
    return Section("Table 2: paper / measured", "", ("", "", *header), rows)


def _judged(found: Measured) -> Section:
    """After deployment: the same interactions, judged by what users prefer and by what the model believes they do."""
    cell = found.cells["simulation", "oracle"]
    rows = [
        (name, label, *(str(estimate(cell.means(penalty, metric, by))) for by in ("", "estimated_")))
        for penalty, name in enumerate(RECOMMENDERS)
        for metric, label in LABELS.items()
    ]
    return Section(
        "After deployment",
        "Recommenders trained in the model, among the users as they are: the same interactions, judged by what these "
        "users prefer, and by what the model believes that they do.",
        ("recommender", "sum over an episode", "users", "model"),
        rows,
    )
