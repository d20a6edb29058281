"""What the study of games measures: where societies with fixed recommenders end in many games."""

from dataclasses import dataclass

import jax
import numpy as np

from jaxrec.envs.rewiring.games import COSTS
from jaxrec.experiments.rewiring.games.settings import RECOMMENDERS, GamesConfig
from jaxrec.experiments.rewiring.sweep import Ends, sweep
from jaxrec.experiments.runs.tools import Tools


@dataclass(frozen=True)
class Measured:
    """Where societies ended.

    Attributes:
        plane: arrays [RECOMMENDERS, T, S, W, runs], of two-player games.
        goods: cost -> float[factors, RECOMMENDERS, W, runs], cooperation with public goods.
        goods_requests: cost -> the same of requests for each opportunity.
    """

    plane: Ends
    goods: dict[str, np.ndarray]
    goods_requests: dict[str, np.ndarray]


def measure(config: GamesConfig, tools: Tools) -> Measured:
    """Runs the plane of two-player games, and public goods over the factor.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Where societies ended.
    """
    key, *keys = jax.random.split(jax.random.key(config.seed), 1 + len(COSTS))
    beta = {"beta": (config.beta,)}
    values = beta | {"temptation": config.temptations, "sucker": config.suckers, "timescale": config.timescales}
    plane = sweep(config.env(), key, RECOMMENDERS, values, config.runs, config.steps, tools.meter, **config.method)
    plane = plane.without_axis(1)
    tools.log(part="plane", cooperation=plane.cooperation.mean(axis=-1))
    goods, requests = {}, {}
    for cost, one in zip(COSTS, keys, strict=True):
        ends = []
        for factor, each in zip(config.factors, jax.random.split(one, len(config.factors)), strict=True):
            values = beta | {"timescale": config.timescales}
            env = config.env(config.goods(factor, cost))
            found = sweep(
                env, each, RECOMMENDERS, values, config.goods_runs, config.steps, tools.meter, **config.method
            )
            ends.append(found.without_axis(1))
        goods[cost] = np.stack([one.cooperation for one in ends])
        requests[cost] = np.stack([one.requests_per_opportunity for one in ends])
        tools.log(part="goods", cost=cost, cooperation=goods[cost].mean(axis=-1))
    return Measured(plane, goods, requests)
