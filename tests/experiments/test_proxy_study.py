"""The study of proxies: exact policies against plain loops, claims from numbers that are known, and a tiny run."""

import dataclasses
import json

import numpy as np
import pytest

from jaxrec.agents import PPOSettings
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.preference.dynamics import JUDGES, clipped_normal
from jaxrec.experiments import study
from jaxrec.experiments.preference.proxy.claims import FALL, peak
from jaxrec.experiments.preference.proxy.frontier import frontier
from jaxrec.experiments.preference.proxy.measure import MEASURED, Course, Measured, Outcome
from jaxrec.experiments.preference.proxy.settings import ASKER, KINDS, PROXIES, RECOMMENDERS, ProxyConfig

CONFIG = ProxyConfig(seeds=3, betas=(0.0, 1.0, 1000.0))
TINY = ProxyConfig(
    seeds=2, betas=(0.0, 1.0), steps=640, ppo=PPOSettings(num_envs=8, num_steps=10, num_minibatches=2), hidden_size=8,
    eval_episodes=60, num_chunks=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def exact():
    return frontier(CONFIG)


def test_without_pressure_policies_are_uniform_and_worth_what_propagation_says(exact):
    """By a plain loop over steps: uniform slates move preferences by the mean of their kernels."""
    env, world = PreferenceShift(observe_as="state"), CONFIG.world()
    tables = env.tables(world)
    joint = np.diag(np.asarray(clipped_normal(world.initial_mean, world.initial_deviation), float))
    shift, liked, click = (np.asarray(each, float).mean(axis=0) for each in (tables.shift, tables.liked, tables.click))
    sums = np.zeros(4)
    for _ in range(10):
        now = joint.sum(axis=0)
        sums[0] += now @ click
        sums[1] += (now[:, None] * liked * JUDGES).sum()
        sums[2] += (joint @ liked * JUDGES).sum()
        sums[3] += (now @ liked)[2]
        joint = joint @ shift
    value = np.mean([np.array(kind) @ sums for kind in KINDS.values()])
    for name in PROXIES:
        assert exact.divergence[name][0] == pytest.approx(0.0, abs=1e-4)
        assert exact.value[name][0] == pytest.approx(value, abs=1e-3)
    assert exact.paid["clicks"][0] == pytest.approx(sums[0], abs=1e-3)


def test_more_pressure_brings_more_of_what_is_paid_at_more_divergence(exact):
    for name in PROXIES:
        assert (np.diff(exact.paid[name]) > 0).all()
        assert (np.diff(exact.divergence[name]) > 0).all()
        assert exact.value[name].max() <= exact.best + 1e-3
    assert exact.value["mean"][-1] == pytest.approx(exact.best, abs=0.02)
    assert exact.known > exact.asked > exact.best


def test_free_and_certain_answers_cost_the_step_of_the_question_alone(exact):
    """Then the rest is played for the user's own kind, known; and a useless answer is worth nothing."""
    told = frontier(dataclasses.replace(CONFIG, cost=0.0, noise=0.0))
    assert exact.asked < told.asked < exact.known
    useless = frontier(dataclasses.replace(CONFIG, cost=0.0, noise=1.0))
    assert useless.asked <= exact.best + 1e-3
    dear = frontier(dataclasses.replace(CONFIG, cost=3.0, noise=1.0))
    assert dear.asked == pytest.approx(useless.asked - 3.0, abs=1e-4)


def measured(exact, value):
    """Courses and outcomes in which recommenders come to the given true values, chunk after chunk."""
    courses, outcomes = {}, {}
    for name in RECOMMENDERS:
        noise = np.linspace(-0.01, 0.01, 3)
        course = np.array(value[name])[:, None] + noise
        courses[name] = Course(np.arange(1, 4), np.arange(1.0, 4.0)[:, None] + noise, course, course, 0 * course)
        sums = dict.fromkeys(MEASURED, course[-1] + 0.1 * noise)
        outcomes[name] = Outcome(sums, np.tile(course[-1], (len(KINDS), 1)), np.full(3, 0.5))
    return Measured(courses, outcomes, exact)


def test_goodharts_law_can_hold_and_can_fail(exact):
    found = measured(
        exact, {"clicks": (0.0, 1.0, 0.5), "dwelling": (0.0, 1.0, 2.0), "mean": (0, 2, 3), ASKER: (0, 3, 4)}
    )
    report = study("proxy").judged(CONFIG, found)
    named = {one.name: one for one in report.findings}
    assert len(named) == len(report.findings)
    assert named[f"paid for clicks: {FALL}"].value == pytest.approx(0.5)
    assert named[f"paid for clicks: {FALL}"].verdict
    assert named[f"paid for dwelling: {FALL}"].verdict is False
    assert named[f"{ASKER}: {FALL}"].verdict
    assert named[f"true value after the training: {ASKER} beyond paid for mean"].value == pytest.approx(1.0)
    fell = measured(exact, {"clicks": (0, 1, 2), "dwelling": (0, 1, 2), "mean": (0, 2, 3), ASKER: (0.0, 3.0, 1.0)})
    named = {one.name: one for one in study("proxy").judged(CONFIG, fell).findings}
    assert named[f"{ASKER}: {FALL}"].verdict is False
    assert named[f"{ASKER}: {FALL}"].value == pytest.approx(2.0)


def test_the_peak_of_a_seed_is_chosen_by_the_others():
    value = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 9.0], [2.0, 2.0, 0.0]])
    assert peak(value).tolist() == [1, 1, 2]
    assert peak(value[:, :1]).tolist() == [2]


@pytest.mark.slow
def test_a_tiny_run_has_every_recommender(tmp_path):
    folder = study("proxy").run(config=TINY, out=tmp_path / "run")
    results = json.loads((folder / "results.json").read_text())
    for name in RECOMMENDERS:
        course, outcome = results["courses"][name], results["outcomes"][name]
        assert np.shape(course["value"]) == (4, 2)
        assert np.min(course["divergence"]) > -1e-4
        assert np.shape(outcome["kinds"]) == (len(KINDS), 2)
        assert name == ASKER or not np.any(course["questions"])
    for name in ("goodhart", "kinds"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 10_000
