"""The report of the audits: one table, one picture."""

from matplotlib.figure import Figure

from jaxrec.experiments.audits.claims import EXPLOITS, INCENTIVE, named
from jaxrec.experiments.audits.measure import Measured
from jaxrec.experiments.audits.settings import CASES, AuditsConfig
from jaxrec.experiments.reports.figures import error_bars
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import Estimate, estimate

CAPTION = (
    "What agents learn where recommendations change users (pi_1) against what they learn where they do not (pi_0), all "
    "played where they do. From the left: what pi_1 gains, as a share of what pi_0 earns; how differently it chooses, "
    "beyond how differently seeds do; the utility of users, and of society, pi_1 less pi_0, below 0 where they lose. "
    "Filled: the incentive and the difference are both above 0 beyond chance. Means with 95 % intervals over seeds."
)
TABLE = (
    "*Path*: whether the causal diagram has a control incentive on users. *Incentive*: the return of pi_1 less that of "
    "pi_0. *Epistemic*: the part of it that a learner gains too which is paid for users as they came, where such a one "
    "was trained. *Exploits*: total variation between pi_1 and pi_0, beyond that of seeds. *Shift*: the distance "
    "between the users they leave behind, beyond that of seeds. The bandit learns nothing, and is the same in both "
    "worlds."
)
PURPLE, GREY = "#7a3b8f", "#888888"


def report(config: AuditsConfig, found: Measured, findings: list[Finding]) -> Report:
    """Makes the answers, the table and the picture.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    header = (
        "society", "agent", "path", "return of pi_1", "incentive", "epistemic", "exploits", "shift", "users", "society"
    )  # fmt: skip
    return Report(
        title="Audits: who could tamper with users, who learns to, and who pays",
        summary=(
            f"{len(config.cases)} agents in {len(found.paths)} societies, {config.seeds} seeds each, trained with "
            f"influence and without on the same draws: tables {config.table_timesteps:,} steps, networks "
            f"{config.ppo_timesteps:,}. Each policy is judged in {config.evaluation_episodes:,} episodes a seed."
        ),
        sections=[
            Section("All audits", CAPTION, figures=["audits"]),
            Section("The table", TABLE, header, [_row(found, name) for name in config.cases]),
        ],
        figures={"audits": picture(config, found)},
        data={"paths": found.paths, "learnable": {name: found.tampering(name).learnable for name in config.cases}},
        answers=_answers(config, found, {one.name: one for one in findings}),
    )


def _row(found: Measured, name: str) -> tuple[str, ...]:
    case, one = CASES[name], found.tampering(name)
    return (
        case.society,
        case.agent,
        "no" if one.path is None else "yes",
        str(estimate(one.samples.factual.value)),
        str(one.incentive),
        "-" if one.epistemic is None else str(one.epistemic),
        str(one.exploits),
        str(one.shift),
        str(one.harm.user),
        str(one.harm.society),
    )


def _answers(config: AuditsConfig, found: Measured, findings: dict[str, Finding]) -> list[Answer]:
    ahead, others = ([name for name in config.cases if CASES[name].looks_ahead == which] for which in (True, False))
    others = [name for name in others if not CASES[name].safe]
    safe = [name for name in config.cases if CASES[name].safe]

    def counted(names: list[str], what: str) -> str:
        return tally([findings[named(name, what)] for name in names])

    answers = [
        Answer(
            "Could users be a means? In the causal diagrams of "
            f"{', '.join(name for name, path in found.paths.items() if path is not None) or 'no society'}: yes.",
            "audits",
        ),
        Answer(
            f"Do agents learn to use them? Of those that look ahead: it pays for {counted(ahead, INCENTIVE)} "
            f"(Definition 1), and {counted(ahead, EXPLOITS)} choose otherwise than they would if it were impossible "
            "(Definition 2), each beyond chance."
        ),
    ]
    if others:
        answers.append(
            Answer(
                "Are those spared that look no further than the next step, or do not learn? "
                f"Not accused by the incentive: {counted(others, INCENTIVE)}; by the difference: "
                f"{counted(others, EXPLOITS)}."
            )
        )
    if safe:
        each = ", ".join(f"{CASES[name].society} {findings[named(name, INCENTIVE)].estimate}" for name in safe)
        answers.append(Answer(f"Does paying for safe shifts too take the incentive away? What is left of it: {each}."))
    accused = [name for name in ahead if found.tampering(name).learnable]
    losing = [name for name in accused if (found.tampering(name).harm.user.high or 0.0) < 0]
    answers.append(
        Answer(f"Who pays? Where it pays beyond chance, users lose beyond chance with {len(losing)} of {len(accused)}.")
    )
    return answers


def picture(config: AuditsConfig, found: Measured) -> Figure:
    """Draws one row for each case."""
    figure = Figure(figsize=(13, 1.3 + 0.36 * len(config.cases)), layout="constrained")
    panels = figure.subplots(1, 4, sharey=True)
    every = {name: found.tampering(name) for name in config.cases}
    columns: dict[str, list[Estimate]] = {
        "incentive, of what pi_0 earns": [_relative(found, name) for name in every],
        "exploits": [one.exploits for one in every.values()],
        "users": [one.harm.user for one in every.values()],
        "society": [one.harm.society for one in every.values()],
    }
    shown = [bool(one.learnable) and (one.exploits.low or 0.0) > 0 for one in every.values()]
    for axes, (title, column) in zip(panels, columns.items(), strict=True):
        axes.axvline(0, color="#cccccc", lw=0.8, zorder=0)
        for place, (one, accused) in enumerate(zip(column, shown, strict=True)):
            axes.errorbar(
                [one.value], [place], xerr=error_bars(one), fmt="o", color=PURPLE if accused else GREY, capsize=3,
                mfc=PURPLE if accused else "white",
            )  # fmt: skip
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(every)), [f"{CASES[name].society}: {CASES[name].agent}" for name in every])
    panels[0].invert_yaxis()
    return figure


def _relative(found: Measured, name: str) -> Estimate:
    """The incentive as a share of what pi_0 earns on average."""
    samples = found.samples[name]
    return estimate((samples.factual.value - samples.decoupled.value) / max(abs(samples.decoupled.value.mean()), 1e-9))
