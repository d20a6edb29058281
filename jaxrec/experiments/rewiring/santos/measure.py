"""What the base model's study measures: where societies end, over W and over T and S."""

from dataclasses import dataclass

import jax

from jaxrec.experiments.rewiring.santos.settings import SantosConfig
from jaxrec.experiments.rewiring.sweep import Ends, sweep
from jaxrec.experiments.runs.tools import Tools


@dataclass(frozen=True)
class Measured:
    """Where societies with the local heuristic ended.

    Attributes:
        scan: arrays [1, timescales, runs].
        plane: arrays [1, timescales, T, S, runs]; None if it was left out.
    """

    scan: Ends
    plane: Ends | None


def measure(config: SantosConfig, tools: Tools) -> Measured:
    """Scans W in the prisoner's dilemma, then the T x S plane at several W.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Where societies ended.
    """
    key_scan, key_plane = jax.random.split(jax.random.key(config.seed))
    scan = sweep(
        config.env(),
        key_scan,
        ["local"],
        {"timescale": config.timescales},
        config.runs,
        config.steps,
        tools.meter,
        **config.method,
    )
    tools.log(part="scan", cooperation=scan.cooperation[0].mean(axis=-1))
    if not config.plane_runs:
        return Measured(scan, None)
    t, s = config.payoffs
    values = {"timescale": config.plane_timescales, "temptation": t, "sucker": s}
    plane = sweep(
        config.plane_env(),
        key_plane,
        ["local"],
        values,
        config.plane_runs,
        config.plane_steps,
        tools.meter,
        **config.method,
    )
    tools.log(part="plane", cooperation=plane.cooperation[0].mean(axis=(1, 2, 3)))
    return Measured(scan, plane)
