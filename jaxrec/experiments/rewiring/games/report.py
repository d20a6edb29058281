"""The report of the study of games."""

from jaxrec.envs.rewiring.games import COSTS
from jaxrec.experiments.reports.findings import Finding, tally
from jaxrec.experiments.reports.report import Answer, Report, Section
from jaxrec.experiments.rewiring.games import figures
from jaxrec.experiments.rewiring.games.claims import HELPS, HURTS, of_cells
from jaxrec.experiments.rewiring.games.measure import Measured
from jaxrec.experiments.rewiring.games.settings import QUADRANTS, RECOMMENDERS, GamesConfig
from jaxrec.statistics import estimate


def report(config: GamesConfig, found: Measured, findings: list[Finding]) -> Report:
    """Shows the planes of two-player games, and public goods over the factor.

    Args:
        config: the settings.
        found: everything measured.
        findings: what the claims come to.

    Returns:
        The report.
    """
    written = Report(
        "Games beyond the dilemma: what fixed recommenders do to cooperation",
        f"{config.users} users (mean degree {config.degree}) imitate fitter neighbours and leave defectors; rules "
        f"`{config.rules}`, beta = {config.beta:g}, to fixation or {config.steps:,} time-steps. Users play in pairs, "
        "with T and S over the whole plane, or public goods: each user's group is itself and its neighbours.",
    )
    written.figures = {"planes": figures.planes(config, found), "goods": figures.goods(config, found)}
    written.sections = [_plane(config, found), *(_goods(config, found, cost) for cost in COSTS)]
    written.data = {
        "recommenders": RECOMMENDERS,
        "plane": {"T": config.temptations, "S": config.suckers, "W": config.timescales}
        | {name: getattr(found.plane, name) for name in ("cooperation", "steps")}
        | {"requests_per_opportunity": found.plane.requests_per_opportunity},
        "goods": {
            "factors": config.factors,
            "cooperation": found.goods,
            "requests_per_opportunity": found.goods_requests,
        },
    }
    written.answers = _answers(findings)
    return written


def _answers(findings: list[Finding]) -> list[Answer]:
    named = {one.name: one for one in findings}
    pairs = [one for one in findings if "public goods" not in one.name]

    def each(text: str) -> str:
        found = {one.name.removeprefix("cooperation, ").split(":")[0]: one for one in pairs if one.name.endswith(text)}
        return ", ".join(f"{name} {one.estimate}" for name, one in found.items())

    helps, hurts = ([one for one in pairs if one.name.endswith(text)] for text in (HELPS, HURTS))
    goods = {cost: named[f"cooperation, public goods paid by the {cost}: {HELPS}"] for cost in COSTS}
    unequal = next(one for one in findings if "paid by the player beyond" in one.name)
    return [
        Answer(
            "Does recommending cooperators help cooperation in other games than the dilemma? Beyond chance in "
            f"{tally(helps)} kinds of two-player games: {each(HELPS)} more cooperators than without rewiring.",
            "planes",
        ),
        Answer(f"Does recommending defectors harm it? Beyond chance in {tally(hurts)}: {each(HURTS)} fewer."),
        Answer(
            "And with public goods? Recommending cooperators brings "
            + ", ".join(f"{one.estimate} more cooperators where one pays by the {cost}" for cost, one in goods.items())
            + " (means over factors and W).",
            "goods",
        ),
        Answer(
            "Does it help that a cooperator gives once, not once a game, as Santos and others found among unequal "
            f"users? With the local heuristic by {unequal.estimate}."
        ),
    ]


def _plane(config: GamesConfig, found: Measured) -> Section:
    quadrants = [name for name in QUADRANTS if config.cells_of(name).any()]
    rows = [
        (one, *(str(estimate(of_cells(found, one, config.cells_of(name)))) for name in quadrants))
        for one in RECOMMENDERS
    ]
    return Section(
        "Two-player games",
        f"Cooperators at the end, means over the {config.points} x {config.points} values of T and S of each kind of "
        f"game and over W, {config.runs} runs a cell.",
        ("recommender", *quadrants),
        rows,
        ["planes"],
    )


def _goods(config: GamesConfig, found: Measured, cost: str) -> Section:
    rows = [
        (one, *(str(estimate(each)) for each in found.goods[cost][:, number].mean(axis=1)))
        for number, one in enumerate(RECOMMENDERS)
    ]
    return Section(
        f"Public goods, paid by the {cost}",
        f"Cooperators at the end, means over W, {config.goods_runs} runs a cell, by factor / (degree + 1). Above 1 "
        "cooperating pays for oneself where all users have the mean degree."
        + (" Payoffs are smaller than by the game, and so is selection." if cost == "player" else ""),
        ("recommender", *(f"{factor:g}" for factor in config.factors)),
        rows,
        ["goods"],
    )
