"""The search for the unpublished constants: its society, its surrogate, its distance, and what it writes."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from paths import ROOT
from preference_loops import PARAMS, plain_slate

import jaxrec
from jaxrec.agents import PPOSettings
from jaxrec.envs.learned import LearnedUsers
from jaxrec.envs.preference import (
    PreferenceParams,
    PreferenceShift,
    beliefs,
    dynamics,
    exact,
    fitted_params,
    fitted_slates,
)
from jaxrec.envs.preference.constants import with_constants
from jaxrec.experiments import study
from jaxrec.experiments.preference.constants import candidates, distance, screen, surrogate
from jaxrec.experiments.preference.constants.candidates import COLUMNS, OPTIMA, RANGES
from jaxrec.experiments.preference.constants.claims import reaches
from jaxrec.experiments.preference.constants.distance import NUMBERS, PRINTED, STATEMENTS
from jaxrec.experiments.preference.constants.settings import ENV, ConstantsConfig
from jaxrec.experiments.preference.constants.society import READINGS, CandidateParams, CandidateUsers, mixture
from jaxrec.statistics import Estimate

POINTS = candidates.spread(200, 1)
TINY = ConstantsConfig(
    screened=64, screen_users=8, shortlist=2, shortlist_steps=640, finalists=1, seeds=2, steps=640,
    ppo=PPOSettings(num_envs=8, num_steps=10, num_minibatches=2), hidden_size=8, eval_episodes=8, num_chunks=2,
)  # fmt: skip


def same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_the_default_candidate_is_the_default_society_bit_for_bit():
    env = PreferenceShift()
    both = jax.jit(lambda of_default, ours: (env.tables(of_default), ENV.tables(ours)))
    same(*both(env.default_params, CandidateParams()))
    row = jax.tree.map(lambda leaf: leaf[0], candidates.params_of(OPTIMA[None]))
    ours = {name: getattr(row, name) for name in vars(PARAMS)}
    same(ours, vars(jaxrec.parameters.canonical(PARAMS)))


@pytest.mark.slow
def test_a_rollout_with_the_default_candidate_is_one_with_the_default_society_bit_for_bit():
    key = jax.random.key(3)
    played = [
        jaxrec.rollout(env, env.policy("myopic", params), key, 16, 20, params, trajectory=True)
        for env, params in ((PreferenceShift(reward="penalised"), PreferenceParams()), (ENV, CandidateParams()))
    ]
    same(played[0].trajectory, played[1].trajectory)


@pytest.mark.parametrize("reading", READINGS)
def test_shifts_are_those_of_each_reading_in_plain_loops(reading):
    """P(u' | b, u) in proportion to exp(beta_d E[lambda cos(x - u) + (1 - lambda) cos(x - u')]), x by the reading."""
    belief, lam, beta = plain_slate(80, 60) ** 3, 0.7, 20.0
    belief /= belief.sum()
    sharp = np.asarray(dynamics.choice_sharpness(PARAMS), float)
    cosines = np.cos(np.radians(10 * (np.arange(36)[:, None] - np.arange(36))))
    index, users = READINGS.index(reading), dynamics.users_of(PARAMS)
    ours = mixture(jnp.asarray(belief, jnp.float32), users, lam, jnp.eye(3)[index])
    ours = np.asarray(jax.nn.softmax(beta * ours, axis=1))

    def drawn(u, new):
        weights = belief.copy()
        if reading != READINGS[2]:
            chooser = new if reading == READINGS[0] else u
            weights = weights * np.exp(sharp[chooser] * cosines[:, chooser])
        return weights / weights.sum()

    for u in (0, 13, 27):
        worth = [drawn(u, v) @ (lam * cosines[:, u] + (1 - lam) * cosines[:, v]) for v in range(36)]
        expected = np.exp(beta * (np.array(worth) - max(worth)))
        np.testing.assert_allclose(ours[u], expected / expected.sum(), atol=2e-5)


def test_points_of_the_cube_are_candidates_in_the_ranges_and_every_second_has_the_printed_lambda():
    rows = candidates.constants_of(POINTS)
    assert rows.shape == (200, len(COLUMNS))
    for i, (low, high) in enumerate(RANGES.values()):
        assert low <= rows[:, i].min() < low + 0.1 * (high - low)
        assert high - 0.15 * (high - low) < rows[:, i].max() <= high
    assert np.mean(rows[:, 4] == 0.9) == pytest.approx(0.5, abs=0.05)
    assert sorted(set(rows[:, 5])) == sorted(set(rows[:, 6])) == [0, 1, 2]
    near = candidates.around(POINTS[:3], 30, 0.1, np.random.default_rng(0))
    np.testing.assert_array_equal(candidates.constants_of(near)[:, 5:], np.tile(rows[:3, 5:], (10, 1)))
    assert (near >= 0).all()
    assert (near < 1).all()
    np.testing.assert_array_equal(candidates.as_printed(near), np.tile(candidates.as_printed(POINTS[:3]), 10))


def test_what_the_paper_prints_is_at_no_distance_and_a_standard_error_at_one():
    said = np.array([0.8, 0.9, 0.4, 0.3, 0.2, 0.65, 0.6])
    np.testing.assert_allclose(distance.distances(PRINTED[None], said[None]), 0, atol=1e-12)
    off = PRINTED.copy()
    off[1, 2] += 0.1
    (found,) = distance.distances(off[None], said[None] + np.array([0.2, 0, 0, 0, 0, 0, 0.045]))
    np.testing.assert_allclose(found[[5, len(NUMBERS), -1]], [1, 1, 2], atol=1e-6)
    np.testing.assert_allclose(distance.misfit(found[None]), np.sqrt(6 / len(found)))
    sums = PRINTED.sum(axis=1)  # as section 1 has them: 35 % worse, 40 % worse
    users = np.zeros((4, 36))
    users[[0, 1, 2, 3], [8, 27, 12, 8]] = 1  # myopic at 80, rl at 270, penalised at 120 and 80
    natural = np.zeros(36)
    natural[[8, 20]] = 0.75, 0.25
    expected = [[0.75, 1, 1, 0, 0.75, sums[1] / sums[0], sums[0] / sums[3]]]
    np.testing.assert_allclose(distance.stated(PRINTED[None], users[None], natural[None]), expected)
    assert len(STATEMENTS) == 7


def test_a_printed_ratio_is_met_where_an_interval_reaches_what_it_may_be_rounded_from():
    judge = reaches(0.645, 0.655)
    assert judge.reference == pytest.approx(0.65)
    for low, high, met in ((0.66, 0.7, False), (0.5, 0.64, False), (0.5, 0.646, True), (0.64, 0.7, True)):
        assert judge.holds(Estimate((low + high) / 2, low, high), judge.reference) is met
    assert judge.holds(Estimate(0.65, None, None), judge.reference) is None
    ratios = [claim for claim in study("preference-constants").claims(TINY) if "as a part of" in claim.name]
    assert [claim.judge.reference for claim in ratios] == pytest.approx([0.65, 0.6] * 2)


def test_pairs_and_the_shortlist_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    found = screen.Screen(POINTS, rng.normal(PRINTED, 1, (200, 4, 3)), rng.uniform(0.5, 0.7, (200, 7)))
    larger, which = distance.pairs(found.distances)
    for i, j in ((0, 0), (3, 7), (11, 2)):
        of_pair = [max(row[i], row[j]) for row in found.distances]
        assert (larger[i, j], which[i, j]) == (min(of_pair), int(np.argmin(of_pair)))
    each = {
        (i, j, k): min(max(row[i], row[j], row[k]) for row in found.distances)
        for i in range(12) for j in range(i) for k in range(j)
    }  # fmt: skip
    places, apart = distance.hardest(found.distances, 3)
    assert apart == max(each.values()) == each[tuple(sorted(places, reverse=True))]
    chosen = found.shortlist(20)
    assert len(set(chosen)) == 20
    printed = candidates.constants_of(POINTS)[:, 4] == 0.9
    for half, mine in ((chosen[:10], printed), (chosen[10:], ~printed)):
        assert mine[half].all()
        assert half[0] == np.flatnonzero(mine)[found.misfits[mine].argmin()]
        assert found.misfits[half].tolist() == sorted(found.misfits[half])
    twins = screen.Screen(*(np.concatenate([part, part]) for part in (found.points, found.values, found.said)))
    assert len({one % 200 for one in twins.shortlist(20)}) == 20  # of two that are alike the second is left out


def test_knowing_the_state_late_is_worth_less_than_seeing_it_and_more_than_never():
    """Over three steps: between the optimum of a recommender that sees and the best slates chosen once for all."""
    tables = jax.jit(ENV.tables)(CandidateParams())
    paid = exact.rewards(tables, 3).engagement
    late = np.asarray(jax.jit(beliefs.delayed)(tables, paid, 1.0), float)
    reward, shift = np.asarray(paid[0, :, 0], float), np.asarray(tables.shift, float)  # [a, u], [a, u, u']
    start = np.asarray(dynamics.clipped_normal(130.0, 20.0), float)
    blind = max(
        start @ reward[a] + start @ shift[a] @ (reward[b] + shift[b] @ reward[c])
        for a in range(6) for b in range(6) for c in range(6)
    )  # fmt: skip
    seen = np.zeros(36)
    for _ in range(3):
        seen = (reward + shift @ seen).max(axis=0)
    bound = max(start @ late[0, a, 0] for a in range(6))
    assert blind < bound + 1e-5
    assert bound < start @ seen
    np.testing.assert_allclose(late[-1], paid[-1], atol=1e-6)


@pytest.mark.slow
def test_the_myopic_surrogate_earns_what_the_enumeration_of_all_choices_says():
    """Over two steps, from evenly spaced draws: the best slate by the belief after each of 36 choices."""
    env, params = CandidateUsers(horizon=2), CandidateParams()
    draws = np.tile((np.arange(4000) + 0.5) / 4000, (2, 1)).astype(np.float32)
    found = surrogate.outcome(env, params, jnp.asarray(draws))
    tables = env.tables(params)
    choice, shift = np.asarray(tables.choice, float), np.asarray(tables.shift, float)
    cosines = np.cos(np.radians(10 * (np.arange(36)[:, None] - np.arange(36))))
    reward = (choice * cosines).sum(axis=-1)  # [a, u]
    start = np.asarray(dynamics.clipped_normal(130.0, 20.0), float)
    slate = int((reward @ start).argmax())
    expected = reward[slate] @ start
    for item in range(36):
        belief = start * choice[slate, :, item]
        expected += (reward @ (belief @ shift[slate])).max()
    assert float(found.values[0, 0]) == pytest.approx(expected, abs=0.005)


@pytest.mark.slow
def test_the_study_writes_its_report(tmp_path):
    folder = study("preference-constants").run(config=TINY, out=tmp_path / "run")
    result = json.loads((folder / "results.json").read_text())
    assert [len(result[name]) for name in ("shortlist", "finalists")] == [2, 2]
    assert list(result["finalists"][0]["constants"].values()) == OPTIMA.tolist()
    report = (folder / "report.md").read_text()
    for name, number in (("rl | r(u_t)", 7.49), ("penalised rl | r(u_t^rnd)", 4.57)):
        assert f"| {name} | {number:.2f} |" in report
    for figure in ("table", "best-shifts", "optima-shifts", "profiles", "conflicts"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"screened": 63}, "screened must be at least 64 and twice the shortlist of 4, got 63"),
        ({"finalists": 5}, "finalists must be at most the shortlist of 4, got 5"),
        ({"shortlist_steps": 64 * 2**31}, "shortlist_steps must come to at most"),
        ({"seeds": 0}, "seeds must be"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(jaxrec.InputError, match=message):
        study("preference-constants").config("quick", **changes).check()


def test_the_named_constants_are_those_of_the_default_and_of_the_kept_run():
    same(fitted_params(), PreferenceParams())
    assert fitted_slates() == PreferenceShift().slate_means
    for name, run in (("beliefs", "hundreds"), ("beliefs-from-20", "core")):
        path = ROOT / "docs" / "results" / f"preference-constants-{run}" / "results.json"
        optima, *others = json.loads(path.read_text())["finalists"]
        best = min((one for one in others if one["constants"]["inertia"] == 0.9), key=lambda one: one["misfit"])
        assert best["misfit"] < optima["misfit"]
        params = fitted_params(name)  # the default, by the rule of the study
        slates = list(candidates.SLATES.values()).index(fitted_slates(name))
        ours = (params.choice_base, *params.choice_widths, params.rationality, params.inertia, slates, 0.0)
        np.testing.assert_allclose(ours, list(best["constants"].values()), rtol=5e-3)
    for named in (fitted_params, fitted_slates):
        with pytest.raises(jaxrec.InputError, match="constants"):
            named("believes")


def test_learned_users_can_choose_by_the_constants_of_either_name():
    model = LearnedUsers().default_params
    chosen = with_constants(model, "optima")
    assert (chosen.choice_base, *chosen.choice_widths) == (0.1, 22, 15)
    same(chosen.weights, model.weights)
    for name in ("proxy", "retraining-rounds"):
        config = study(name).config("quick", constants="optima")
        world = config.world() if name == "proxy" else config.params(PreferenceParams())
        assert (float(world.rationality), float(world.bait_height)) == (31.0, 1.5)
        societies = (config.society(),) if name == "proxy" else (config.society(), config.learned())
        assert all(env.slate_means == fitted_slates("optima") for env in societies)
        with pytest.raises(jaxrec.InputError, match="constants"):
            study(name).config("quick", constants="paper").check()
