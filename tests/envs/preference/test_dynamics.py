"""Users whose preferences shift, held against plain loops, enumeration of histories and published numbers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import QLearning, VisitStep
from jaxrec.envs.preference import PreferenceShift, Table, dynamics, exact, inference

ENV = PreferenceShift(observe_as="state")
PARAMS = ENV.default_params


@pytest.fixture(scope="module")
def tables():
    return jax.jit(ENV.tables)(PARAMS)


def plain_distance(a, b):
    d = abs(a - b) % 360
    return min(d, 360 - d)


def plain_slate(mean, deviation):
    weights = [np.exp(-((plain_distance(10 * x, mean) / deviation) ** 2) / 2) for x in range(36)]
    return np.array(weights) / sum(weights)


def plain_cos(x, u):
    return np.cos(np.radians(10 * (x - u)))


def plain_sharpness(u):
    first = (1 - 0.1) * np.exp(-((plain_distance(10 * u, 80) / 22) ** 2) / 2)
    return 0.1 + first + (4 - 0.1) * np.exp(-((plain_distance(10 * u, 270) / 15) ** 2) / 2)


def plain_choice(slate, u):
    weights = np.array([slate[x] * np.exp(plain_sharpness(u) * plain_cos(x, u)) for x in range(36)])
    return weights / weights.sum()


def plain_shift(slate, u):
    belief = slate**3 / (slate**3).sum()
    worth = []
    for new in range(36):
        chosen = plain_choice(belief, new)
        worth.append(sum(chosen[x] * (0.9 * plain_cos(x, u) + 0.1 * plain_cos(x, new)) for x in range(36)))
    weights = np.exp(31 * (np.array(worth) - max(worth)))
    return weights / weights.sum()


def test_tables_equal_plain_loops(tables):
    for number, mean in ((0, 20), (4, 260)):
        slate = plain_slate(mean, 60)
        np.testing.assert_allclose(ENV.slates[number], slate, rtol=1e-5)
        for u in (0, 8, 13, 27):
            np.testing.assert_allclose(tables.choice[number, u], plain_choice(slate, u), rtol=1e-4, atol=1e-7)
            np.testing.assert_allclose(tables.shift[number, u], plain_shift(slate, u), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(tables.natural[13], plain_shift(np.full(36, 1 / 36), 13), rtol=1e-3, atol=1e-6)


def test_tables_are_distributions(tables):
    for each in (tables.choice, tables.shift, tables.natural):
        np.testing.assert_allclose(each.sum(axis=-1), 1, rtol=1e-5)
        assert (each >= 0).all()


def test_without_influence_every_slate_shifts_as_the_uniform_one():
    still = jax.jit(ENV.tables)(PARAMS.replace(influence=0.0))
    np.testing.assert_allclose(still.shift, np.broadcast_to(still.natural, still.shift.shape), rtol=1e-4, atol=1e-7)


def test_a_draw_has_the_probabilities_that_it_should():
    probabilities = np.zeros(36)
    probabilities[[3, 7, 35]] = 0.25, 0.5, 0.25
    uniforms = (np.arange(1000) + 0.5) / 1000
    drawn = jax.vmap(dynamics.draw, in_axes=(0, None))(jnp.asarray(uniforms, jnp.float32), jnp.asarray(probabilities))
    np.testing.assert_allclose(np.bincount(drawn, minlength=36) / 1000, probabilities, atol=2e-3)


PUBLISHED = {  # an independent dynamic program on the same constants: r(u_t), r(u_0), r(u_t^rnd)
    "rl": ((0.0, 0.0), 0.99, (7.12, -0.31, -1.23)),
    "undiscounted": ((0.0, 0.0), 1.0, (7.12, -2.52, -3.82)),
    "penalised myopic": ((1.0, 1.0), 0.0, (6.48, 3.38, 2.48)),
    "penalised rl": ((1.0, 1.0), 0.99, (5.62, 5.58, 5.49)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_optima_are_those_of_an_independent_program(tables, name):
    safe, gamma, published = PUBLISHED[name]
    worth = exact.worth(tables, exact.optimal(tables, 10, safe, gamma), PARAMS)
    np.testing.assert_allclose(worth, published, atol=0.025)


def test_the_myopic_optimum_is_one_of_many_and_the_published_one_among_them(tables):
    """Users midway between two slates like both equally; which they see decides 0.06 of engagement, 0.3 of r(u_0)."""
    engagement = np.asarray(exact.rewards(tables, 1).engagement[0, :, 0, :])
    best = engagement >= engagement.max(axis=0) - 1e-4
    assert [10 * u for u in np.flatnonzero(best.sum(axis=0) == 2)] == [50, 110, 170, 230, 290, 350]
    shown = best.argmax(axis=0)
    for degrees, slate in ((50, 1), (110, 1), (170, 3), (230, 3), (290, 4), (350, 5)):
        assert best[slate, degrees // 10]
        shown[degrees // 10] = slate
    policy = jnp.broadcast_to(jax.nn.one_hot(shown, 6).T[None, :, None, :], (10, 6, 36, 36))
    np.testing.assert_allclose(exact.worth(tables, policy, PARAMS), (6.75, 2.77, 2.97), atol=0.01)
    shared = exact.worth(tables, exact.optimal(tables, 10, (0.0, 0.0), 0.0), PARAMS)
    np.testing.assert_allclose(shared, (6.78, 2.66, 2.80), atol=0.01)


def test_uniform_slates_are_worth_what_an_independent_program_says():
    env = PreferenceShift(slate_means=(0.0,), slate_deviations=float("inf"), observe_as="state")
    worth = exact.worth(jax.jit(env.tables)(PARAMS), jnp.ones((10, 1, 36, 36)), PARAMS)
    np.testing.assert_allclose(worth, (4.09, 2.48, 3.78), atol=0.01)


def test_slates_of_ones_own_are_shown_as_they_are(tables):
    """The default slates, given item by item, in another order."""
    given = np.asarray(ENV.slates, float)[::-1]
    own = PreferenceShift(slate_items=tuple(map(tuple, (given / given.sum(axis=1, keepdims=True)).tolist())))
    assert own.num_actions == 6
    np.testing.assert_allclose(own.tables(PARAMS).shift, tables.shift[::-1], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_episodes_are_worth_what_is_computed(tables, key):
    """Sampled by the environment against the exact sums; and paid in expectation, against sampled."""
    policy = exact.optimal(tables, 10, (1.0, 1.0), 0.99)
    result = jaxrec.rollout(ENV, Table(policy), key, 4096, 10)
    for name, value in zip(("", "_initial", "_natural"), exact.worth(tables, policy, PARAMS), strict=True):
        sums = np.asarray(result.per_env[f"engagement{name}"]) * 10
        assert abs(sums.mean() - value) < 4 * sums.std() / 64
    sampled = np.asarray(result.per_env["engagement"]) * 10
    assert abs(np.asarray(result.episode_return).mean() - sampled.mean()) < 4 * sampled.std() / 64


def enumerated(tables, slates, choices):
    """P(u_0, u_T | choices) by summing over every path of preferences, five bins at a time."""
    start = plain_slate(130, 20)
    joint = np.zeros((36, 36))
    choice, shift = np.asarray(tables.choice, float), np.asarray(tables.shift, float)
    for path in itertools.product(range(36), repeat=len(slates)):
        weight = start[path[0]]
        for time, (slate, item) in enumerate(zip(slates, choices, strict=True)):
            weight *= choice[slate, path[time], item]
            if time + 1 < len(slates):
                weight *= shift[slate, path[time], path[time + 1]]
        joint[path[0]] += weight * shift[slates[-1], path[-1]]
    return joint / joint.sum(), np.log(joint.sum())


def test_inference_equals_enumeration_of_every_history(tables):
    slates, choices = (1, 4), (9, 25)
    joint, likelihood = enumerated(tables, slates, choices)
    joints, log = inference.infer(tables, jnp.array(slates), jnp.array(choices), PARAMS)
    np.testing.assert_allclose(joints[-1], joint, atol=1e-6)
    assert log == pytest.approx(likelihood, rel=1e-4)
    np.testing.assert_allclose(inference.smoothed(joints[-1]), joint.sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(inference.filtered(joints[-1]), joint.sum(axis=0), atol=1e-6)
    policy = np.zeros((3, 6))
    policy[:, [0, 2]] = 0.25, 0.75
    later = joint.sum(axis=1)
    mixed = 0.25 * np.asarray(tables.shift[0]) + 0.75 * np.asarray(tables.shift[2])
    for predicted in inference.counterfactual(joints[-1], tables, jnp.asarray(policy)):
        np.testing.assert_allclose(predicted, later, atol=1e-5)
        later = later @ mixed


@pytest.mark.slow
def test_beliefs_in_the_observation_are_those_of_inference(tables, key):
    env = PreferenceShift(horizon=4)
    played = jaxrec.rollout(env, env.policy("random"), key, 3, 4, trajectory=True).trajectory
    for user in range(3):
        joints, _ = inference.infer(tables, played.action[:, user], played.next_state.choice[:, user], PARAMS)
        naturally = exact.natural_preferences(tables, 4)
        for time in range(1, 4):
            obs = jax.tree.map(lambda leaf, at=(time, user): leaf[at], played.obs)
            np.testing.assert_allclose(obs.initial, joints[time - 1].sum(axis=1), atol=1e-5)
            np.testing.assert_allclose(obs.current, joints[time - 1].sum(axis=0), atol=1e-5)
            np.testing.assert_allclose(obs.natural, obs.initial @ naturally[time], atol=1e-5)
            np.testing.assert_allclose(obs.slate, env.slates[played.action[time - 1, user]], atol=1e-6)


@pytest.mark.slow
def test_without_influence_users_go_the_way_they_would_go_by_themselves(key):
    params = PARAMS.replace(influence=0.0)
    played = jaxrec.rollout(ENV, ENV.policy("random"), key, 64, 10, params, trajectory=True)
    assert (played.trajectory.next_state.preference == played.trajectory.next_state.natural).all()
    np.testing.assert_allclose(played.per_env["steered"], 0, atol=1e-5)


def test_what_has_probability_0_is_never_drawn():
    """Nor where prefix sums round: a choice that cannot be makes a belief 0 / 0."""
    rng = np.random.default_rng(0)
    weights = rng.random((20_000, 36)).astype(np.float32) ** 8 * (rng.random((20_000, 36)) < 0.4)
    weights[:, 0] += 1e-3
    almost_one = np.float32(1 - 2.0**-23)
    uniform = np.where(rng.random(20_000) < 0.5, almost_one, 0).astype(np.float32)
    drawn = jax.vmap(dynamics.draw)(uniform, weights / weights.sum(axis=1, keepdims=True))
    assert (weights[np.arange(20_000), drawn] > 0).all()


def test_states_that_int32_cannot_number_have_no_index():
    env = PreferenceShift(horizon=2_000_000, observe_as="state")
    assert env.num_observations is None
    with pytest.raises(jaxrec.InputError, match="no observation index"):
        env.observation_index(jnp.zeros(3, jnp.int32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 0}, "horizon"),
        ({"slate_means": ()}, "slate_means must name at least one"),
        ({"slate_means": (400.0,)}, "slate_means"),
        ({"slate_deviations": -1.0}, "slate_deviations must be within"),
        ({"slate_deviations": 1e-30}, "slate_deviations must be within"),
        ({"horizon": 2**31}, "horizon must be at most"),
        ({"slate_deviations": (60.0, 30.0)}, "one a slate"),
        ({"slate_items": ((1.0, 0.0),)}, "slate_items must have 36"),
        ({"slate_items": ((-0.5, 1.5) + (0.0,) * 34,)}, "slate_items"),
        ({"slate_items": ((0.5,) + (0.0,) * 35,)}, "slate_items must sum to 1"),
        ({"observe_as": "all"}, "observe_as"),
        ({"paid_for": "love"}, "paid_for"),
    ],
)
def test_bad_settings_are_refused(changes, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        PreferenceShift(**changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("influence", 1.5),
        ("inertia", -0.1),
        ("initial_deviation", 0.0),
        ("choice_widths", [1.0, 0.0]),
        ("rationality", 1e30),
    ],
)
def test_bad_parameters_are_refused(name, value):
    with pytest.raises(jaxrec.InputError, match=name):
        ENV.reset(jax.random.key(0), PARAMS.replace(**{name: np.asarray(value)}))


def test_long_histories_are_inferred_as_by_messages_forward_and_backward(tables):
    """Filtering by forward messages, smoothing of u_0 by backward ones, in plain loops and logarithms."""
    rng = np.random.default_rng(0)
    slates, choices = rng.integers(6, size=80), rng.integers(36, size=80)
    joints, likelihood = inference.infer(tables, jnp.asarray(slates), jnp.asarray(choices), PARAMS)
    chosen, shift = np.log(np.asarray(tables.choice, float)), np.log(np.asarray(tables.shift, float) + 1e-300)
    forward = np.log(plain_slate(130, 20))
    for slate, item in zip(slates, choices, strict=True):
        seen = forward + chosen[slate, :, item]
        forward = np.logaddexp.reduce(seen[:, None] + shift[slate], axis=0)
    backward = np.zeros(36)
    for slate, item in zip(slates[::-1], choices[::-1], strict=True):
        backward = chosen[slate, :, item] + np.logaddexp.reduce(shift[slate] + backward, axis=1)
    first = np.log(plain_slate(130, 20)) + backward
    assert likelihood == pytest.approx(np.logaddexp.reduce(forward), rel=1e-4)
    np.testing.assert_allclose(joints[-1].sum(axis=0), np.exp(forward - np.logaddexp.reduce(forward)), atol=1e-5)
    np.testing.assert_allclose(joints[-1].sum(axis=1), np.exp(first - np.logaddexp.reduce(first)), atol=1e-4)


@pytest.mark.slow
def test_long_histories_are_inferred_as_by_dynamax(tables):
    hmm = pytest.importorskip("dynamax.hidden_markov_model", reason="pip install dynamax, in an environment of its own")
    rng = np.random.default_rng(1)
    slates, choices = rng.integers(6, size=80), rng.integers(36, size=80)
    joints, likelihood = inference.infer(tables, jnp.asarray(slates), jnp.asarray(choices), PARAMS)
    seen = jnp.log(tables.choice[slates, :, choices])
    theirs = hmm.hmm_smoother(jnp.asarray(plain_slate(130, 20), jnp.float32), tables.shift[slates[:-1]], seen)
    assert likelihood == pytest.approx(float(theirs.marginal_loglik), rel=1e-4)
    np.testing.assert_allclose(joints[-1].sum(axis=1), theirs.smoothed_probs[0], atol=1e-4)
    following = theirs.filtered_probs[-1] @ tables.shift[slates[-1]]
    np.testing.assert_allclose(joints[-1].sum(axis=0), following, atol=1e-5)


def test_where_users_end_up_is_what_the_paper_draws(tables):
    """Figure 1: by themselves nearly all users come to prefer 80 degrees; a recommender that looks ahead takes most
    to 270."""
    uniform = PreferenceShift(slate_means=(0.0,), slate_deviations=float("inf"), observe_as="state")
    alone = exact.preferences(jax.jit(uniform.tables)(PARAMS), jnp.ones((10, 1, 36, 36)), PARAMS)
    led = exact.preferences(tables, exact.optimal(tables, 10, (0.0, 0.0), 0.99), PARAMS)
    for users in (alone, led):
        np.testing.assert_allclose(users.sum(axis=1), 1, rtol=1e-4)
        np.testing.assert_allclose(users[0], plain_slate(130, 20), atol=1e-6)
    near = {centre: [plain_distance(10 * u, centre) <= 40 for u in range(36)] for centre in (80, 270)}
    assert alone[-1, np.flatnonzero(near[80])].sum() == pytest.approx(0.95, abs=0.02)
    assert led[-1, np.flatnonzero(near[270])].sum() == pytest.approx(0.70, abs=0.05)


@pytest.mark.slow
def test_q_learning_finds_the_optimum_of_the_full_state(tables):
    """Within 1 % of dynamic programming; what it learned is valued exactly, not sampled."""
    learner = QLearning(
        ENV,
        12_000_000,
        num_envs=4096,
        num_steps=10,
        step_size=VisitStep(4.0),
        td_lambda=0.0,
        gamma=1.0,
        epsilon_end=0.0,
    )
    state, _ = jax.jit(learner.train)(jax.random.key(0), PARAMS)
    q = np.asarray(state.q).reshape(11, 36, 36, 6)[:10]
    best = (q == q.max(axis=-1, keepdims=True)).astype(np.float32)
    policy = jnp.asarray(np.moveaxis(best / best.sum(axis=-1, keepdims=True), -1, 1))
    optimum = exact.worth(tables, exact.optimal(tables, 10, (0.0, 0.0), 1.0), PARAMS).engagement
    assert optimum == pytest.approx(7.12, abs=0.01)
    assert exact.worth(tables, policy, PARAMS).engagement > 0.99 * optimum
