"""The studies of learned users: what they write, how they judge, what they refuse."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.learned import LearnedUsers
from jaxrec.envs.preference import PreferenceParams, PreferenceShift
from jaxrec.envs.preference import exact as dynamic
from jaxrec.envs.preference import inference as exact
from jaxrec.estimation import generate
from jaxrec.experiments import study
from jaxrec.experiments.preference.estimation import beliefs as estimation
from jaxrec.experiments.preference.estimation import scores as scoring
from jaxrec.experiments.preference.estimation.claims import METRICS, TASKS
from jaxrec.experiments.preference.models import choice_models
from jaxrec.experiments.preference.rounds import ratchet
from jaxrec.experiments.preference.rounds.swaps import planner
from jaxrec.experiments.runs.tools import Tools

MODEL = {"users": 60, "training_users": 40, "model": {"num_epochs": 1, "batch_size": 20}, "seeds": 2}
RECOMMENDER = {
    "steps": 160, "ppo": {"num_envs": 4, "num_steps": 10, "num_minibatches": 2}, "hidden_size": 8, "eval_episodes": 6,
    "num_chunks": 2,
}  # fmt: skip


def run(name, folder, **changes):
    chosen = study(name)
    written = chosen.run(config=chosen.config("quick", **changes), out=folder)
    return json.loads((written / "results.json").read_text()), written


@pytest.mark.slow
def test_estimation_holds_predictors_against_each_other(tmp_path):
    result, folder = run("preference-estimation", tmp_path / "out", **MODEL, simulated_users=5, doses=(2.0,))
    one_fit = {"random", "oracle", "baum-welch, one kernel", "baum-welch"}
    assert set(result["scores"]) == one_fit | {"correct", "mis-specified"}
    for name, tasks in result["scores"].items():
        seeds = 1 if name in one_fit else 2
        for task in TASKS:
            assert all(np.isfinite(tasks[task][metric]).all() for metric in METRICS)
            assert len(tasks[task]["choice_loss"]) == seeds
    for task in TASKS:
        assert result["scores"]["random"][task]["preference_loss"] == pytest.approx([np.log(36)], rel=1e-5)
        assert result["scores"]["oracle"][task]["preference_loss"][0] < 2.6  # of 3.58
    np.testing.assert_allclose(np.sum(result["simulated"], axis=2), 1, rtol=1e-4)
    assert result["doses"] == [0, 1, 2]
    for dose, name in enumerate(("correct", "mis-specified")):
        for metric in METRICS:
            np.testing.assert_allclose(
                result["dosed"][metric][dose], result["scores"][name]["future"][metric], rtol=1e-4
            )
    for figure in (*TASKS, "natural", "apart", "sharpness", "doses"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


@pytest.mark.slow
def test_simulation_writes_table_2(tmp_path):
    result, folder = run("preference-simulation", tmp_path / "out", **MODEL, **RECOMMENDER)
    cells = [name for name in result if "training" in name]
    assert len(cells) == 4
    for cell in cells:
        for penalty in ("penalty 0", "penalty 1"):
            sums = result[cell][penalty]
            together = np.sum([sums[name] for name in ("engagement", "engagement_initial", "engagement_natural")], 0)
            np.testing.assert_allclose(sums["sum"], together, rtol=1e-4, atol=1e-4)
            assert np.abs(sums["engagement"]).max() <= 10
    assert "6.40 / " in (folder / "report.md").read_text()
    assert (folder / "figures" / "anticipated.png").stat().st_size > 5_000


SMALL_ROUNDS = {"exact_users": 60, "exact_rounds": 2, "exact_penalties": (0.0, 1.0), "survivor_sessions": 2}


@pytest.mark.slow
def test_rounds_follow_each_other(tmp_path):
    both = {"counts": ("click", "dwell"), "penalties": (0.0, 1.0), "rounds": 2}
    result, folder = run("retraining-rounds", tmp_path / "out", **MODEL, **RECOMMENDER, **SMALL_ROUNDS, **both)
    platforms = [name for name in result if name.startswith("paid for")]
    assert len(platforms) == 4
    for name in platforms:
        for metric, course in result[name].items():
            assert np.shape(course) == (2, 2), metric
            assert np.isfinite(course).all()
        assert (np.array(result[name]["click"]) <= 10).all()
        assert (np.array(result[name]["apart"]) <= 1).all()
    assert len(result["stays"]) == 6
    for stay in result["stays"]:
        assert np.shape(stay["users"]) == (2, 36)
        assert all(np.shape(values) == (2, 2) for values in stay["measures"].values())
    assert set(result["exchanges"]) == {"none", "logs", "model", "recommender", "beliefs"}
    assert set(result["survivors"]["anticipated"]) == {"survivors", "everyone"}
    for figure in ("rounds", "preferences", "ratchet", "choices", "exchanges", "survivors"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


def test_the_planner_is_optimal_where_preferences_are_seen():
    """Against backward induction over (u_0, u_t), and against the value of its own choices by propagation."""
    env = PreferenceShift(observe_as="state")
    params, tables = env.default_params, env.tables(env.default_params)
    chosen = np.asarray(planner(tables, 4, 1.0).values).argmax(axis=1)  # [time, u_t]
    table = np.zeros((4, 6, 36, 36), np.float32)
    for time, preference in np.ndindex(4, 36):
        table[time, chosen[time, preference], :, preference] = 1
    best = dynamic.worth(tables, dynamic.optimal(tables, 4), params).engagement
    assert float(dynamic.worth(tables, jnp.asarray(table), params).engagement) == pytest.approx(float(best), abs=1e-3)


@pytest.mark.slow
def test_an_exact_platform_with_users_who_stay_is_propagation():
    """Engagement of the first session, of which the law is known; then it plans for the preferences that it left."""
    config = study("retraining-rounds").config("quick", exact_users=8_000, exact_rounds=2, exact_penalties=(1.0,))
    stays = ratchet.ratchet(config, jax.random.key(0), Tools())
    tables = PreferenceShift(observe_as="state").tables(config.params(PreferenceParams()))
    for stay in stays:
        policy = dynamic.optimal(tables, 10, (1.0, 1.0), config.ppo.gamma, stay.counts)
        worth = dynamic.worth(tables, policy, config.params(PreferenceParams()))
        first = {name: values[0].mean() for name, values in stay.measures.items()}
        assert first["engagement"] == pytest.approx(float(worth.engagement), abs=0.1)
        assert first["safe"] == pytest.approx(float(worth.initial + worth.natural), abs=0.3)
        np.testing.assert_allclose(stay.users.sum(axis=1), 1, rtol=1e-6)
    forgets, remembers = stays[:2]
    np.testing.assert_array_equal(forgets.users[0], remembers.users[0])
    assert (forgets.users[1] != remembers.users[1]).any()


@pytest.mark.slow
def test_the_oracle_is_exact_inference():
    """Against the environment's own, which the enumeration of histories has confirmed."""
    world = PreferenceShift(observe_as="state")
    params = world.default_params
    logs, truth = generate(jax.random.key(1), params, 4)
    twins = estimation.natural_twins(jax.random.key(2), truth, params)
    beliefs = estimation.oracle(logs, twins, params)
    items = tuple(tuple(float(p) for p in np.asarray(slate, np.float64) / np.asarray(slate, np.float64).sum())
                  for slate in logs.slates[0])  # fmt: skip
    env = PreferenceShift(slate_items=items, observe_as="state")
    joints, _ = exact.infer(env.tables(params), jnp.arange(10), logs.choices[0], params)
    np.testing.assert_allclose(beliefs.future[0, 1:], joints[:-1].sum(axis=1), atol=1e-4)
    np.testing.assert_allclose(beliefs.initial[0], joints.sum(axis=2), atol=1e-4)
    start = exact.filtered(exact.prior(params))
    np.testing.assert_allclose(beliefs.future[0, 0], start, atol=1e-6)
    np.testing.assert_allclose(beliefs.later[0, 0], start, atol=1e-6)
    np.testing.assert_allclose(beliefs.counterfactual[0, 0], beliefs.initial[0, -1], atol=1e-6)


@pytest.mark.slow
def test_a_guess_is_worth_what_a_guess_is():
    logs, truth = generate(jax.random.key(0), None, 6)
    twins = estimation.natural_twins(jax.random.key(1), truth, PreferenceParams())
    scores = scoring.scores(estimation.everywhere(logs), logs, truth, twins, None)
    for task in scores.values():
        assert task.preference_loss == pytest.approx(np.log(36), rel=1e-5)
        assert task.choice_loss == pytest.approx(np.log(36), rel=1e-5)


def test_the_mis_specified_choice_model_is_lower_and_wider():
    """By 0.7, 0.625 and 1.5, to the power of the dose; a dose of 0 changes nothing."""
    right = LearnedUsers().default_params
    params = choice_models((0.0, 1.0, 2.0), 2, right)
    assert params.influence.shape == (6,)
    heights, widths = (np.asarray(getattr(right, name), float) for name in ("choice_heights", "choice_widths"))
    np.testing.assert_array_equal(params.choice_heights[:2], [heights.astype(np.float32)] * 2)
    np.testing.assert_array_equal(params.choice_widths[:2], [widths.astype(np.float32)] * 2)
    np.testing.assert_allclose(params.choice_heights[2:4], [heights * [0.7, 0.625]] * 2, rtol=1e-6)
    np.testing.assert_allclose(params.choice_widths[2:4], [widths * 1.5] * 2, rtol=1e-6)
    np.testing.assert_allclose(params.choice_heights[4:], [heights * [0.49, 0.390625]] * 2, rtol=1e-6)
    np.testing.assert_allclose(params.choice_widths[4:], [widths * 2.25] * 2, rtol=1e-6)
    with pytest.raises(jaxrec.InputError, match="dose must be within"):
        right.mis_specified(11.0)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("preference-estimation", {"training_users": 10_000}, "training_users"),
        ("preference-estimation", {"model": {"batch_size": 8_000}}, "model: batch_size"),
        ("preference-estimation", {"model": {"num_epochs": 0}}, "model: num_epochs"),
        ("preference-estimation", {"simulated_users": 0}, "simulated_users"),
        ("preference-estimation", {"doses": (0.5, 1.0)}, "doses must be different ones, and neither 0 nor 1"),
        ("preference-estimation", {"doses": (0.5, 0.5)}, "doses must be different ones"),
        ("preference-estimation", {"doses": (11.0,)}, "doses must be within"),
        ("preference-estimation", {"model": {"ent_coef": -1.0}}, "model: ent_coef"),
        ("preference-simulation", {"ppo": {"gamma": 2.0}}, "gamma"),
        ("preference-simulation", {"eval_episodes": 0}, "eval_episodes"),
        ("preference-simulation", {"seeds": 0}, "seeds"),
        ("retraining-rounds", {"rounds": 0}, "rounds"),
        ("retraining-rounds", {"bait_height": -1.0}, "bait_height"),
        ("retraining-rounds", {"counts": ()}, "counts"),
        ("retraining-rounds", {"counts": ("dwelling",)}, "one of counts"),
        ("retraining-rounds", {"penalties": (1.0, 1.0)}, "penalties"),
        ("retraining-rounds", {"rate": 1.5}, "rate"),
        ("retraining-rounds", {"survivor_rate": 1.0}, "survivor_rate"),
        ("retraining-rounds", {"exact_users": 2}, "exact_users"),
        ("retraining-rounds", {"bait_centre": 400.0}, "bait_centre"),
    ],
)
def test_bad_settings_are_refused(name, changes, message):
    chosen = study(name)
    with pytest.raises(jaxrec.InputError, match=message):
        chosen.config("quick", **changes).check()
