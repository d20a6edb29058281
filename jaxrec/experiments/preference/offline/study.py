"""What is learned from a platform's logs alone: believed against true value, and what it does to preferences.

Lambert 2020, "Recommendations are a game": platforms log, learn offline, and redeploy. Users are those of Carroll,
Dragan, Russell & Hadfield-Menell 2022, whose shifts are known exactly.
"""

from jaxrec.experiments.preference.offline.claims import claims
from jaxrec.experiments.preference.offline.measure import measure
from jaxrec.experiments.preference.offline.report import report
from jaxrec.experiments.preference.offline.settings import OfflineConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "OfflineConfig"]

PRESETS = {
    "quick": OfflineConfig(),
    "large": OfflineConfig(
        seeds=10,
        users=(300, 1_000, 3_000, 10_000, 30_000),
        explorations=(0.02, 0.05, 0.1, 0.3, 1.0),
        thresholds=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
        pessimisms=(0.1, 0.3, 1.0, 3.0),
        resamples=200,
    ),
}

STUDY = Study(
    "offline",
    "Learning from a platform's logs alone: what is believed, what is true, what it does to users (Lambert 2020)",
    PRESETS,
    measure,
    claims,
    report,
    {"quick": "one society, whose preferences are seen, and tables: how networks extrapolate is not shown"},
    {"quick": 1},
)
