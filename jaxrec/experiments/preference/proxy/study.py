"""Proxies and questions: what becomes of users' true value as a recommender learns to raise what it is paid for.

Lambert 2020, "Recommendations are a game - a dangerous game (for us)", sections "Clickthrough led to clickbait" (clicks
and dwelling as proxies) and "Modeling human reward" (interactive value learning).

Bait lies at 200 degrees, where it moves users whom nobody serves, and not at 230 degrees as in `retraining-rounds`. No
measure needs users who stay put: recommenders are held against each other and against exact policies for the same new
users and one episode, and no kind of user values natural preferences. But what clicks cost users depends on the place.
"""

from dataclasses import replace

from jaxrec.experiments.preference.proxy.claims import claims
from jaxrec.experiments.preference.proxy.measure import measure
from jaxrec.experiments.preference.proxy.report import report
from jaxrec.experiments.preference.proxy.settings import ProxyConfig
from jaxrec.experiments.study import Study

__all__ = ["STUDY", "ProxyConfig"]

QUICK = ProxyConfig(steps=102_400, eval_episodes=1_000)

STUDY = Study(
    "proxy",
    "True value while a recommender learns: proxies, the mean of what users value, and asking them (Lambert)",
    {"quick": QUICK, "long": replace(ProxyConfig(), seeds=10, steps=1_024_000)},
    measure,
    claims,
    report,
    {"quick": "five seeds give wide intervals, and a hundred thousand slates may end before a proxy is optimised"},
    {"quick": 5},
)
