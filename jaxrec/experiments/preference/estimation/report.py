"""The report of estimated preferences: losses and accuracies next to oracle and guess, natural shifts."""

import numpy as np
from matplotlib.figure import Figure

from jaxrec.experiments.preference import figures
from jaxrec.experiments.preference.estimation import figures as drawn
from jaxrec.experiments.preference.estimation.claims import METRICS, TASKS
from jaxrec.experiments.preference.estimation.measure import Measured
from jaxrec.experiments.preference.estimation.settings import EstimationConfig
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.statistics import estimate


def report(config: EstimationConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows each task, then the natural shifts.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    written = Report(
        "Preferences estimated from logged choices",
        f"Transformers that see slates and choices of {config.training_users} users, {config.seeds} seeds; held "
        "against exact inference with the true dynamics (oracle) and a guess (random) on "
        f"{config.users - config.training_users} other users. Losses are mean negative log-likelihoods over users and "
        "time-steps. Baum-Welch learns a hidden Markov model from the same logs with the correct choice model, in one "
        "fit: one kernel for all slates, or one for each of 12 directions of slates and one for the uniform slate. "
        "Its 30 iterations were chosen by what it then knows of preferences, which flatters it.",
    )
    for task, (where, _) in TASKS.items():
        written.sections.append(_section(found, task, where))
        written.figures[task] = drawn.bars(found, task)
    written.sections.append(_masks(found))
    written.sections.append(_choice_models(written, found))
    written.sections.append(_natural(written, found))
    written.data = {
        "scores": {
            name: {
                task: {metric: found.values(name, task, metric) for metric in METRICS} for task in TASKS
            } for name in found.scored
        },
        "doses": found.doses,
        "sharpness": found.sharpness,
        "dosed": found.dosed,
        "masked": found.masked,
        "natural": found.natural,
        "simulated": found.simulated,
    }  # fmt: skip
    written.answers = _answers(found, findings)
    return written


def _answers(found: Measured, findings: list[Finding]) -> list[Answer]:
    closed = [one for one in findings if "part of the gap" in one.name]
    wrong = [one for one in findings if "mis-specified beyond" in one.name]
    apart, picked = (next(one for one in findings if text in one.name) for text in ("the best wrong", "dose with"))
    networks = [one for one in findings if "beyond the network" in one.name]
    markov = "; ".join(f"{task} {found.closed(task, 'preference_loss', 'baum-welch').mean():.0%}" for task in TASKS)
    parts = "; ".join(
        f"{task}: {found.closed(task, 'choice_loss').mean():.0%} of the gap for choices, "
        f"{found.closed(task, 'preference_loss').mean():.0%} for preferences"
        for task in TASKS
    )
    return [
        Answer(
            f"How much of what could be known is learned from choices alone? Between a guess and exact inference, the "
            f"models close ({parts}). Of the bounds that were asked for, these hold: {tally(closed)}.",
            "future",
        ),
        Answer(
            "Does a wrong choice model cost? Of the three tasks, its loss of choices is higher in so many: "
            f"{tally(wrong)}."
        ),
        Answer(
            "Do held-out choices tell the correct choice model from wrong ones? "
            f"{apart.answer}: the best wrong one is beyond it by {apart.estimate} in loss, and the one with "
            f"the lowest loss has dose {picked.estimate}, where 0 is correct.",
            "doses",
        ),
        Answer(
            "Does a network know more of preferences than a hidden Markov model of the same logs? Its loss is "
            f"lower in so many of the three tasks: {tally(networks)}. Baum-Welch closes ({markov}) of the gap for "
            "preferences."
        ),
        Answer(
            "Do simulated users shift as real ones do under uniform slates? The total variation between them is "
            f"{estimate(found.apart.mean(axis=1))}, mean over time, of 1 at most.",
            "natural",
        ),
    ]


def _section(found: Measured, task: str, where: str) -> Section:
    rows = [(name, *(str(estimate(found.values(name, task, metric))) for metric in METRICS)) for name in found.scored]
    text = {
        "future": "P(u_t) and P(x_t) from the steps before t.",
        "initial": "P(u_0) from steps 0 ... t; P(x_0) from steps 1 ... t.",
        "counterfactual": "The same users under uniform slates: P(u_t) and P(x_t) from the initial preference that all "
        "their logged steps tell of, and the steps before t under uniform slates.",
    }[task]
    return Section(f"{task.capitalize()} preferences ({where})", text, ("predictor", *METRICS.values()), rows, [task])


def _masks(found: Measured) -> Section:
    return Section(
        "Masks (Appendix H.2)",
        "P(u_0) from all steps and P(x_0) from all but the first, by networks whose tokens attend to earlier steps "
        "alone (causal), like those above, or to all of them (bidirectional), like the paper's; the settings are the "
        "same.",
        ("predictor", *METRICS.values()),
        [(name, *(str(estimate(scores[metric])) for metric in METRICS)) for name, scores in found.masked.items()],
    )


def _choice_models(written: Report, found: Measured) -> Section:
    written.figures["sharpness"] = drawn.sharpness(found)
    written.figures["doses"] = drawn.doses(found)
    rows = [
        (f"{dose:g}", *(str(estimate(found.dosed[metric][number])) for metric in METRICS))
        for number, dose in enumerate(found.doses)
    ]
    return Section(
        "Wrong choice models (Figures 9 and 10)",
        "How strictly users choose by what they prefer, as it is (dose 0) and as models assume it: the peaks of "
        "beta_c(u) lower and wider with the dose, higher and narrower below 0. Of each choice model, the losses of "
        "future preferences and choices on users whom it was not learned from; logs show the choices alone.",
        ("dose", *METRICS.values()),
        rows,
        ["sharpness", "doses"],
    )


def _natural(written: Report, found: Measured) -> Section:
    written.figures["natural"] = figures.heat_maps(
        [("true", found.natural), ("estimated", found.simulated.mean(axis=0))]
    )
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    axes = figure.subplots()
    interval_line(axes, np.arange(len(found.natural)), found.apart.T, "estimated against true", "#3066be")
    axes.set(xlabel="time-step", ylabel="total variation", ylim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    written.figures["apart"] = figure
    return Section(
        "Natural shifts (Figure 6)",
        "The share of users that prefer each angle under uniform slates: the validation users, and users simulated by "
        "the model without any past (Algorithm 1). Below, how far the two are apart.",
        figures=["natural", "apart"],
    )
