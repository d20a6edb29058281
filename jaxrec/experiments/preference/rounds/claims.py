"""The claims about retraining in rounds: what is paid for, what a penalty does, how models keep up."""

from functools import partial

import numpy as np

from jaxrec.experiments.preference.rounds.measure import COUNTS, PAID, PENALTIES, Measured, title
from jaxrec.experiments.preference.rounds.settings import RoundsConfig
from jaxrec.experiments.reports.claims import REPORTED, Claim, above

SOURCE = 'Lambert, "Recommendations are a game"'
OURS = "beyond the papers"

METRICS = {
    "engagement": "r(u_t), engagement",
    "click": "clicks",
    "bait": "bait consumed",
    "safe": "safe: r(u_0) + r(u_t^rnd)",
    "steered": "steered: total variation from natural",
    "error": "model: loss on what is logged next",
    "apart": "model: anticipated against lived",
}

ORDERINGS = (("click", "click", "dwell"), ("bait", "click", "dwell"), ("engagement", "dwell", "click"))
"""A metric of the last round, the payment that brings more of it, and the one that brings less."""


def claims(config: RoundsConfig) -> list[Claim[Measured]]:
    """Lists the claims about the last round, and about how models fare from the first round to the last."""
    return [
        *(
            Claim(
                f"{kind}: {METRICS[metric]}, paid for {PAID[more]} beyond paid for {PAID[less]}",
                partial(_gap, metric=metric, more=(more, penalty), less=(less, penalty)),
                above(0.0),
                SOURCE,
            )
            for penalty, kind in zip(PENALTIES, ("unpenalised", "penalised"), strict=True)
            for metric, more, less in ORDERINGS
        ),
        *(
            Claim(
                f"paid for {PAID[counts]}: {METRICS['safe']}, penalised beyond unpenalised",
                partial(_gap, metric="safe", more=(counts, 1.0), less=(counts, 0.0)),
                above(0.0),
                OURS,
            )
            for counts in COUNTS
        ),
        *(
            Claim(
                f"{title(counts, penalty)}: {METRICS[metric]}, last round less first",
                partial(_change, metric=metric, platform=(counts, penalty)),
                REPORTED,
                OURS,
            )
            for counts in COUNTS
            for penalty in PENALTIES
            for metric in ("error", "apart")
        ),
    ]


def _gap(found: Measured, metric: str, more: tuple[str, float], less: tuple[str, float]) -> np.ndarray:
    """float[seeds]: how much higher a metric of the last round is on one platform than on another."""
    return found.of(*more).rounds[-1].mean(metric) - found.of(*less).rounds[-1].mean(metric)


def _change(found: Measured, metric: str, platform: tuple[str, float]) -> np.ndarray:
    """float[seeds]: how a metric changes from the first round to the last."""
    course = found.of(*platform).course(metric)
    return course[-1] - course[0]
