"""The study of a market of learners: its claims and report, from numbers that are known."""

from dataclasses import replace

import numpy as np
import pytest

from jaxrec.experiments import study
from jaxrec.experiments.rewiring.market.measure import BAITED, Learned, Measured, place_of
from jaxrec.experiments.rewiring.market.settings import RIVALS, MarketConfig

CONFIG = MarketConfig(seeds=3, users=(10,), evaluation_users=(10,))
EPISODES = 4


def numbers(run, rng):
    """What a run might have come to: bait of 1 where it is won, and twice the payoff where two learners compete."""
    shape = (CONFIG.seeds, EPISODES)
    payoff = 2.0 if run.learners == 2 else 1.0
    played = {name: rng.uniform(0.4, 0.6, shape) for name in ("cooperation", "requests")}
    played["payoff"] = payoff + rng.uniform(-0.01, 0.01, shape)
    for name in ("share", "own_requests", "action_strategy", "to_cooperators", "to_defectors"):
        played[name] = rng.uniform(0.1, 0.5, (*shape, run.learners))
    passed = np.tile([True, False, True, False], (CONFIG.seeds, 1))
    lost = np.where(passed, 1.0 + rng.uniform(-0.1, 0.1, shape), np.nan)
    bait = {"passed": passed, "as_it_is": 0 * lost, "clamped": lost, "bait": lost} if run.market in BAITED else {}
    curves = {name: rng.normal(size=(2, CONFIG.seeds)) for name in ("episode_return", "entropy")}
    return Learned(run, np.array([1, 2]), curves, {10: played}, bait)


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    learned = [numbers(run, rng) for run in CONFIG.runs]
    heuristics = {
        place_of(one.run, 10): {
            name: rng.uniform(size=(len(RIVALS), *values.shape[1:])) for name, values in one.played[10].items()
        }
        for one in learned
        if one.run.learners == 1
    }
    return Measured(learned, heuristics)


def test_claims_come_to_what_was_measured(found):
    report = study("rewiring-market").judged(CONFIG, found)
    named = {one.name: one for one in report.findings}
    assert len(named) == len(report.findings)
    duel = named["engagement, duel, open, N = 10: payoff of a user beyond a monopoly that is paid for the same"]
    assert duel.verdict
    assert duel.value == pytest.approx(1.0, abs=0.02)
    lost = "payoff that users lose because the recommender knows that it has won"
    open_, exclusive = (named[f"engagement, local, {walls}, N = 10: {lost}"] for walls in ("open", "exclusive"))
    assert open_.value == pytest.approx(0.5, abs=0.1), "an episode that is never won has no bait"
    assert open_.verdict
    assert not exclusive.verdict, "there none was expected"
    beyond = named["engagement, local, open, N = 10: own_requests beyond random recommendations in its place"]
    means = found.learned[3].played[10]["own_requests"].mean(axis=(1, 2))
    random = found.heuristics[place_of(found.learned[3].run, 10)]["own_requests"][RIVALS.index("random"), :, 0]
    assert str(found.learned[3].run) == "engagement, local, open, N = 10"
    assert beyond.value == pytest.approx(means.mean() - np.mean([part.mean() for part in np.array_split(random, 3)]))


def test_the_report_shows_every_market(found, tmp_path):
    report = study("rewiring-market").judged(CONFIG, found)
    text = report.markdown()
    assert all(str(run) in text for run in CONFIG.runs)
    assert set(report.figures) == {"outcomes10", "bait10", "curves10"}
    assert all(f"figures/{name}.png" in text for name in report.figures)
    assert len(report.answers) == 4
    for name, figure in report.figures.items():
        figure.savefig(tmp_path / f"{name}.png")


def test_a_larger_size_begins_with_what_was_learned_before():
    config = replace(CONFIG, users=(10, 30), steps=(512, 512), warm_start=True)
    small, large = ([run for run in config.runs if run.users == users] for users in config.users)
    assert [config.smaller(run) for run in small] == [None] * len(small)
    assert [config.smaller(run) for run in large] == small
    assert [replace(config, warm_start=False).smaller(run) for run in large] == [None] * len(large)
    evaluated = replace(config, evaluation_users=(10, 30), evaluation_episodes=(4, 4))
    names = [one.name for one in study("rewiring-market").claims(evaluated)]
    beyond = [name for name in names if name.endswith("beyond what was learned among 10 users")]
    assert len(beyond) == sum(run.learners == 1 for run in large)


def test_what_is_trained_together_differs_at_run_time_alone():
    groups = list(CONFIG.groups())
    assert [len(group) for group in groups] == [10, 6], "a monopoly has no walls"
    for group in groups:
        assert len({CONFIG.env(run) for run in group}) == 1
    rewards = {run: CONFIG.params(run).reward_weights for run in groups[0]}
    assert all((weights.society == 1) == (run.reward == "aligned") for run, weights in rewards.items())
    for run in groups[1]:
        first, second = (agent.env.reward for agent in CONFIG.agent(run).agents)
        weights, utilities = CONFIG.params(run).reward_weights, weights_of(3.0, 0.5)
        paid = [float(reward(utilities, weights)) for reward in (first, second)]
        expected = {"aligned": [0.5, 0.5], "engagement": [0.3, 0.3], "engagement and aligned": [0.3, 0.5]}[run.reward]
        assert paid == pytest.approx(expected)


def weights_of(recommender, society):
    from jaxrec import Utilities

    return Utilities(recommender=recommender, user=7.0, society=society)
