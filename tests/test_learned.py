"""Learned users: against a network that infers exactly, plain loops, and what must not depend on what."""

import ast
import itertools
from functools import partial
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs import learned
from jaxrec.envs.learned import (
    BeliefTransformer,
    Deployed,
    DeployedParams,
    LearnedParams,
    LearnedUsers,
    Weights,
    inference,
)
from jaxrec.envs.preference import PreferenceShift, RandomSlate, dynamics, policies
from jaxrec.estimation import Logs
from jaxrec.estimation.dataset import Lottery
from jaxrec.testing import api_test

STEPS = 4
SLATES = {  # the last is uniform
    "horizon": STEPS,
    "slate_means": (80.0, 200.0, 320.0, 0.0),
    "slate_deviations": (60.0, 60.0, 60.0, float("inf")),
}
UNIFORM = 3
USERS = PreferenceShift(**SLATES)
CHOICE = {"choice_base": 0.5, "choice_heights": np.array([0.8, 1.2], np.float32), "bait_height": 0.5}
TRUTH = USERS.default_params.replace(**CHOICE)
PEOPLE = dynamics.users_of(TRUTH)

NETWORK = BeliefTransformer(width=8, layers=1, mixtures=2)
MODEL = LearnedUsers(**SLATES, network=NETWORK)


class Oracle(BeliefTransformer):
    """Infers exactly what a trained network only approximates: its weights are the users' own rules.

    weights: prior, P(u_0); slates, with what each does, shifts; asks, 1 where P(u_0) is what it is asked; smooths, 1
    where u_0 is wanted and not u_t.
    """

    @nn.compact
    def __call__(self, steps, asked, attends, training=False):
        sizes = {"prior": (36,), "slates": (4, 36), "shifts": (4, 36, 36), "asks": (), "smooths": ()}
        weights = (jnp.asarray(self.param(name, nn.initializers.zeros, size)) for name, size in sizes.items())
        prior, slates, shifts, asks, smooths = weights
        first = asks * asked + (1 - asks) * prior
        shift = shifts[jnp.abs(slates - steps.slates[:, None]).sum(axis=2).argmin(axis=1)]
        likelihood = 1 + steps.evidence

        def forward(belief, step):
            belief = belief * likelihood[step] @ shift[step]
            belief = belief / belief.sum()
            return belief, belief

        def backward(time):
            def seen(message, step):
                return jnp.where(step < time, likelihood[step], 1) * (shift[step] @ message), None

            message, _ = jax.lax.scan(seen, jnp.ones(36), numbers, reverse=True)
            return first * message / (first * message).sum()

        numbers = jnp.arange(len(likelihood))
        _, later = jax.lax.scan(forward, first, numbers)
        filtered, smoothed = jnp.concatenate([first[None], later]), jax.vmap(backward)(jnp.arange(len(later) + 1))
        return jnp.log(smooths * smoothed + (1 - smooths) * filtered)


ORACLE = LearnedUsers(**SLATES, network=Oracle())


@pytest.fixture(scope="module")
def tables():
    return jax.tree.map(np.asarray, jax.jit(USERS.tables)(TRUTH))


@pytest.fixture(scope="module")
def prior():
    return np.asarray(dynamics.clipped_normal(TRUTH.initial_mean, TRUTH.initial_deviation))


@pytest.fixture(scope="module")
def oracle(tables, prior):
    """The parameters of ORACLE that know TRUTH."""
    assert (tables.choice / tables.choice.mean(axis=1, keepdims=True)).max() < 1 + inference.MAX_EVIDENCE
    rules = {"prior": prior, "slates": np.asarray(USERS.slates), "shifts": tables.shift}

    def told(asks, smooths):
        return {"params": rules | {"asks": np.float32(asks), "smooths": np.float32(smooths)}}

    return LearnedParams(**CHOICE, weights=Weights(future=told(0, 0), initial=told(0, 1), counterfactual=told(1, 0)))


def any_weights(env):
    """Large enough for everything to matter."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(env.init_network, jax.random.key(0))
    draws = [jax.tree.map(lambda leaf: 0.5 * rng.normal(size=leaf.shape).astype(np.float32), shapes) for _ in range(3)]
    return LearnedParams(**CHOICE, weights=Weights(*draws))


@pytest.fixture(scope="module")
def rough():
    """Parameters of MODEL."""
    return any_weights(MODEL)


def play(env, key, actions, params):
    """One episode: (every observation, every state, utilities, rewards and metrics of every step), in NumPy."""
    return jax.tree.map(np.asarray, _play(env, key, jnp.asarray(actions), params))


@partial(jax.jit, static_argnames="env")
def _play(env, key, actions, params):
    start = env.reset_env(key, params)

    def step(carry, inputs):
        state, (key, action) = carry[1], inputs
        next_state, _ = env.transition(key, state, action, params)
        given = state, action, next_state, params
        after = env.observe(next_state, params), next_state
        return after, (*after, env.utilities(*given), env.reward_components(*given), env.metrics(*given))

    _, (obs, states, *rest) = jax.lax.scan(step, start, (jax.random.split(key, len(actions)), actions))
    both = jax.tree.map(lambda first, later: jnp.concatenate([first[None], later]), start, (obs, states))
    return *both, *rest


def memory_of(seed=0):
    """Of slates and choices at random."""
    rng = np.random.default_rng(seed)
    slates = rng.dirichlet(np.ones(36), STEPS).astype(np.float32)
    return inference.remembered(jnp.asarray(slates), jnp.asarray(rng.integers(36, size=STEPS)), PEOPLE)


def changed(memory, steps):
    """Other slates and choices in these steps."""
    other = memory_of(seed=1)
    return jax.tree.map(lambda old, new: old.at[steps].set(new[steps]), memory, other)


BELIEF = np.asarray(dynamics.clipped_normal(40.0, 30.0))


@jax.jit
def beliefs(weights, memory):
    """What each of the three networks, and Bayes' rule, make of a memory, of one mask or another."""
    after = (NETWORK, weights.counterfactual, memory, jnp.asarray(BELIEF))
    return {
        "future": inference.future(NETWORK, weights.future, memory),
        "later": inference.initial_from_later(NETWORK, weights.initial, memory),
        "initial": inference.initial(NETWORK, weights.initial, memory),
        "counterfactual": inference.counterfactual(*after),
        "unknown": inference.counterfactual(*after, known=False),
        "natural": inference.natural(NETWORK, weights.counterfactual, jnp.asarray(BELIEF), STEPS),
    }


# What is inferred from what.


def test_beliefs_are_distributions(rough):
    for name, logs in beliefs(rough.weights, memory_of()).items():
        assert logs.shape == (STEPS + 1, 36), name
        assert np.isfinite(logs).all(), name
        np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("step", range(STEPS))
def test_what_is_believed_after_some_steps_depends_on_those_alone(rough, step):
    memory = memory_of()
    before, after = (beliefs(rough.weights, each) for each in (memory, changed(memory, slice(step, None))))
    for name in ("future", "later", "initial", "counterfactual", "unknown"):
        np.testing.assert_array_equal(before[name][: step + 1], after[name][: step + 1], err_msg=name)
        if name != "later" or step > 0:
            assert np.abs(before[name][step + 1] - after[name][step + 1]).max() > 1e-3, name


def test_earlier_steps_matter_to_all_later_beliefs(rough):
    memory = memory_of()
    before, after = (beliefs(rough.weights, each) for each in (memory, changed(memory, slice(0, 1))))
    for name in ("future", "initial", "counterfactual", "unknown"):
        assert (np.abs(before[name][1:] - after[name][1:]).max(axis=1) > 1e-4).all(), name
    np.testing.assert_array_equal(before["later"], after["later"])  # step 0 is masked: slate and choice


def test_choices_that_are_not_known_change_nothing(rough):
    memory = memory_of()
    other = memory.replace(likelihood=memory_of(seed=1).likelihood)
    before, after = beliefs(rough.weights, memory), beliefs(rough.weights, other)
    np.testing.assert_array_equal(before["unknown"], after["unknown"])
    assert np.abs(before["counterfactual"] - after["counterfactual"]).max() > 1e-3
    nothing = beliefs(rough.weights, inference.nothing(STEPS))
    np.testing.assert_allclose(nothing["unknown"], nothing["natural"], rtol=1e-5)


def test_the_first_choice_is_put_back_by_bayes_rule(rough):
    memory = memory_of()
    found = beliefs(rough.weights, memory)
    later, first = np.exp(np.asarray(found["later"], float)), np.asarray(memory.likelihood[0], float)
    np.testing.assert_allclose(np.exp(found["initial"][0]), later[0], rtol=1e-5)
    for time in range(1, STEPS + 1):
        expected = [later[time, u] * first[u] for u in range(36)]
        np.testing.assert_allclose(np.exp(found["initial"][time]), expected / np.sum(expected), rtol=1e-4)


def test_a_likelihood_is_a_column_of_the_choice_model():
    slate = jnp.asarray(np.random.default_rng(0).dirichlet(np.ones(36)), jnp.float32)
    table = dynamics.choices(slate, PEOPLE)
    columns = jax.vmap(inference.likelihood, in_axes=(None, 0, None))(slate, jnp.arange(36), PEOPLE)
    np.testing.assert_allclose(columns, table.T, rtol=1e-5)


class Mixture(BeliefTransformer):
    """The head alone."""

    @nn.compact
    def __call__(self, x):
        return self._mixture(x)


def test_beliefs_are_mixtures_of_von_mises_distributions():
    """Directions are a sum of the output and a learned one; concentrations a multiple of what they start from."""
    rng = np.random.default_rng(0)
    bias, learned_directions = rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    dense = {"kernel": jnp.zeros((2, 12)), "bias": jnp.asarray(bias.ravel())}
    weights = {"params": {"Dense_0": dense, "directions": jnp.asarray(learned_directions)}}
    found = Mixture(mixtures=3, concentration=5.0).apply(weights, jnp.ones((1, 2)))
    shares = np.exp(bias[:, 3]) / np.exp(bias[:, 3]).sum()
    expected = np.zeros(36)
    for share, (x, y), (a, b), scale in zip(shares, bias[:, :2], learned_directions, bias[:, 2], strict=True):
        bell = [np.exp(5 * np.exp(scale) * np.cos(np.radians(10 * u) - np.arctan2(y + b, x + a))) for u in range(36)]
        expected += share * np.array(bell) / np.sum(bell)
    np.testing.assert_allclose(np.exp(found[0]), expected, rtol=1e-4)


# The environment.


def test_without_influence_beliefs_go_the_same_way_whatever_is_shown(rough, key):
    for influence, same in ((0.0, True), (1.0, False)):
        params = rough.replace(influence=influence)
        (seen, one, *_), (_, two, *_) = (play(MODEL, key, a, params) for a in ([0, 1, 2, 0], [2, 0, 1, 1]))
        for name in ("memory", "initial", "current", "natural"):
            for a, b in zip(*(jax.tree.leaves(getattr(state, name)) for state in (one, two)), strict=True):
                assert np.array_equal(a, b) == same, (influence, name)
        np.testing.assert_allclose(seen.slate[1:], USERS.slates[np.array([0, 1, 2, 0])], rtol=1e-6)


def plain_choice(slate, u):
    pull = np.asarray(PEOPLE.pull, float)
    weights = np.array([slate[x] * np.exp(pull[u, x]) for x in range(36)])
    return weights / weights.sum(), weights.sum()


def test_utilities_are_expectations_over_beliefs(rough, key):
    actions = np.array([0, 2, UNIFORM, 1])
    params = rough.replace(safe_weights=np.array([0.5, 2.0], np.float32))
    bait = np.asarray(dynamics.bait(TRUTH))
    _, states, utilities, reward_components, metrics = play(MODEL, key, actions, params)
    jax.tree.map(np.testing.assert_array_equal, utilities, reward_components)
    slates = np.asarray(MODEL.slates, float)
    for time, action in enumerate(actions):
        believed = {name: getattr(states, name)[time] for name in ("initial", "current", "natural")}
        chosen = np.zeros(36)
        found = dict.fromkeys(("engagement", "engagement_initial", "engagement_natural", "click"), 0.0)
        for u in range(36):
            table, weight = plain_choice(slates[action], u)
            chosen += believed["current"][u] * table
            found["click"] += believed["current"][u] * weight / (1 + weight)
            of_items = [np.cos(np.radians(10 * (x - u))) - bait[x] for x in range(36)]
            found["engagement"] += believed["current"][u] * table @ of_items
        for u, x in itertools.product(range(36), range(36)):
            worth = chosen[x] * (np.cos(np.radians(10 * (x - u))) - bait[x])
            found["engagement_initial"] += believed["initial"][u] * worth
            found["engagement_natural"] += believed["natural"][u] * worth
        for name, value in found.items():
            assert metrics[name][time] == pytest.approx(value, abs=1e-4), name
        assert utilities.recommender[time] == metrics["engagement"][time]
        safe = 0.5 * found["engagement_initial"] + 2 * found["engagement_natural"]
        assert utilities.user[time] == pytest.approx(safe, abs=2e-4)
        apart = 0.5 * np.abs(believed["current"] - believed["natural"]).sum()
        assert utilities.society[time] == pytest.approx(-apart, abs=1e-5)
        assert metrics["steered"][time] == pytest.approx(apart, abs=1e-5)
        assert metrics["bait"][time] == pytest.approx(bait[states.choice[time + 1]], abs=1e-6)
        mean = [
            np.angle((believed[name] * np.exp(1j * np.radians(dynamics.DEGREES))).sum(), deg=True)
            for name in ("initial", "current")
        ]
        assert metrics["shift"][time] == pytest.approx(abs((mean[1] - mean[0] + 180) % 360 - 180), abs=0.05)
    of_users = jax.eval_shape(lambda: USERS.metrics(USERS.reset(key)[1], 0, USERS.reset(key)[1], TRUTH))
    assert set(of_users) <= set(metrics)


PLAYED = 2048


@pytest.fixture(scope="module")
def simulated(oracle):
    """(slates, beliefs in u_t, choices) of users of ORACLE under random slates: [users, steps]."""
    actions = np.random.default_rng(0).integers(4, size=(PLAYED, STEPS))

    @jax.jit
    def follow(key, actions):
        def step(state, inputs):
            return (ORACLE.transition(inputs[0], state, inputs[1], oracle)[0],) * 2

        start = ORACLE.reset_env(key, oracle)[1]
        states = jax.lax.scan(step, start, (jax.random.split(key, STEPS), actions))[1]
        return jnp.concatenate([start.current[None], states.current]), states.choice

    current, choices = jax.vmap(follow)(jax.random.split(jax.random.key(0), PLAYED), jnp.asarray(actions))
    return actions, np.asarray(current), np.asarray(choices)


def near(found, expected, count, times=4):
    """Within some standard errors of the mean of `count` draws from [0, 1]: none varies more than p (1 - p)."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    return (np.abs(found - expected) <= times * np.sqrt(expected * (1 - expected) / count) + 1e-4).all()


def test_choices_are_as_frequent_as_beliefs_and_choice_model_say(simulated, tables):
    actions, current, choices = simulated
    for time in range(STEPS):
        expected = np.einsum("nu,nux->nx", current[:, time], tables.choice[actions[:, time]])
        found = np.bincount(choices[:, time], minlength=36) / PLAYED
        assert near(found, expected.mean(axis=0), PLAYED)


def test_simulated_users_shift_as_the_users_do_of_whom_the_model_is_exact(simulated, tables, prior):
    _, current, _ = simulated
    later = prior
    for time in range(STEPS + 1):
        assert near(current[:, time].mean(axis=0), later, PLAYED)
        later = later @ tables.shift.mean(axis=0)


def test_it_keeps_the_contract():
    """A small one; the registered one in test_contract.py, with its own recommenders."""

    class Unserved(LearnedUsers):
        policies = {}  # noqa: RUF012

    env = Unserved(**SLATES, network=BeliefTransformer(width=4, layers=0, mixtures=2))
    api_test(env, any_weights(env), num_envs=4, num_steps=9)


@pytest.mark.slow
def test_the_own_recommenders_serve(oracle, key):
    for name in MODEL.policies:
        for influence in (0.0, 1.0):
            result = jaxrec.rollout(ORACLE, ORACLE.policy(name), key, 4, 2, oracle.replace(influence=influence))
            assert np.isfinite(result.per_env["engagement"]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observe_as": "state"}, "observe_as"),
        ({"horizon": 0}, "horizon"),
        ({"network": BeliefTransformer(width=6, heads=4)}, "network.heads"),
        ({"network": BeliefTransformer(mixtures=0)}, "network.mixtures"),
        ({"network": BeliefTransformer(concentration=float("inf"))}, "network.concentration"),
    ],
)
def test_bad_settings_are_refused(changes, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        LearnedUsers(**changes)


def test_weights_of_another_network_are_refused(rough, key):
    other = LearnedUsers(**SLATES, network=BeliefTransformer(width=4, layers=1))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape), jax.eval_shape(other.init_network, key))
    for kind in ("future", "initial", "counterfactual"):
        for given in (zeros, None):
            params = rough.replace(weights=rough.weights.replace(**{kind: given}))
            with pytest.raises(jaxrec.InputError, match=rf"weights\.{kind}"):
                MODEL.reset(key, params)
    with pytest.raises(jaxrec.InputError, match=r"weights\.future"):
        MODEL.reset(key, LearnedParams())


def test_an_untrained_model_is_of_float32_whatever_is_in_force(key):
    """Default parameters are cached: those made under x64 must do afterwards."""
    with jax.enable_x64(True):
        kinds = {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(MODEL.init_network, key))}
    assert kinds == {np.dtype("float32")}


# Deployed to users as they are.

CLICKED = {"counts": "click"}
DEPLOYED = Deployed(
    PreferenceShift(**SLATES, **CLICKED, observe_as="state"), LearnedUsers(**SLATES, **CLICKED, network=Oracle())
)
ACTIONS = np.array([UNIFORM, 0, 2, 1])  # of the first step the model sees no slate: it takes it as uniform


@pytest.fixture(scope="module")
def deployed(oracle):
    """(as played by Deployed, by PreferenceShift) on the same keys."""
    params = DeployedParams(users=TRUTH, model=oracle)
    key = jax.random.key(3)
    return play(DEPLOYED, key, ACTIONS, params), play(PreferenceShift(**SLATES, **CLICKED), key, ACTIONS, TRUTH)


@pytest.mark.slow
def test_deployed_keeps_the_contract():
    model = LearnedUsers(**SLATES, **CLICKED, network=NETWORK)
    params = DeployedParams(users=TRUTH, model=any_weights(model))
    api_test(Deployed(DEPLOYED.users, model), params, num_envs=4, num_steps=9)


def test_beliefs_of_an_exact_model_are_those_of_exact_inference(deployed):
    """All three, after every step; and so are the clicks that the recommender is paid for."""
    (obs, _, _, reward_components, metrics), (true_obs, _, _, true_incentives, _) = deployed
    for name in ("slate", "choice", "current", "initial", "natural"):
        np.testing.assert_allclose(getattr(obs, name), getattr(true_obs, name), atol=2e-5, err_msg=name)
    np.testing.assert_allclose(reward_components.recommender, true_incentives.recommender, atol=1e-4)
    np.testing.assert_allclose(metrics["estimated_click"], true_incentives.recommender, atol=1e-4)


def test_users_are_those_that_they_would_be_without_a_model(deployed):
    (_, states, utilities, _, metrics), (_, true_states, true_utilities, _, true_metrics) = deployed
    for name in ("time", "initial", "preference", "natural", "slate", "choice"):
        np.testing.assert_array_equal(getattr(states.user, name), getattr(true_states, name))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), utilities, true_utilities)
    for name, value in true_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_estimates_are_those_of_the_model_after_the_same_history(deployed, tables):
    (_, states, _, reward_components, metrics), _ = deployed
    model, judges = states.model, dynamics.JUDGES
    np.testing.assert_allclose(model.memory.slates[-1], USERS.slates[ACTIONS], rtol=1e-6)
    likelihood = tables.choice[ACTIONS, :, states.user.choice[1:]]
    np.testing.assert_allclose(model.memory.likelihood[-1], likelihood, rtol=1e-5)
    for time, action in enumerate(ACTIONS):
        current, liked = model.current[time], tables.liked[action]
        expected = {
            "click": current @ tables.click[action],
            "engagement": current @ (liked * judges).sum(axis=1),
            "engagement_initial": (current @ liked) @ (model.initial[time] @ judges),
            "engagement_natural": (current @ liked) @ (model.natural[time] @ judges),
        }
        for name, value in expected.items():
            assert metrics[f"estimated_{name}"][time] == pytest.approx(value, abs=1e-5), name
        safe = expected["engagement_initial"] + expected["engagement_natural"]
        assert reward_components.user[time] == pytest.approx(safe, abs=2e-5)


def test_influence_is_that_on_the_user_alone(oracle, key):
    params = DeployedParams(users=TRUTH, model=oracle, influence=0.0)
    obs, states, *_ = play(DEPLOYED, key, ACTIONS, params)
    np.testing.assert_array_equal(states.user.preference, states.user.natural)
    np.testing.assert_allclose(states.model.memory.slates[-1], USERS.slates[ACTIONS], rtol=1e-6)
    np.testing.assert_allclose(obs.slate[1:], USERS.slates[ACTIONS], rtol=1e-6)


@pytest.mark.slow
def test_logs_of_deployed_recommenders_are_those_of_the_users(oracle, key):
    policy, params = RandomSlate(USERS.slates), DeployedParams(users=TRUTH, model=oracle)
    ours, theirs = learned.record(DEPLOYED, policy, key, 8, params), learned.record(USERS, policy, key, 8, TRUTH)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("changes", [{"horizon": 3}, {"slate_means": (80.0, 200.0, 320.0, 10.0)}])
def test_users_and_model_must_fit(changes):
    with pytest.raises(jaxrec.InputError, match=next(iter(changes))):
        Deployed(PreferenceShift(**SLATES | changes), MODEL)


def test_a_recommender_moves_between_users_and_model_unchanged(deployed, oracle, key):
    """It sees the same fields everywhere and, where the model is exact, does the same."""
    policy = policies.myopic(USERS, TRUTH)
    served = {USERS: TRUTH, ORACLE: oracle, DEPLOYED: DeployedParams(users=TRUTH, model=oracle)}

    def first_step(env, params):
        obs, state = env.reset_env(key, params)
        return obs, env.step_env(key, state, policy.act((), obs, key)[0], params)[0]

    shapes = [jax.eval_shape(partial(first_step, env), params) for env, params in served.items()]
    assert shapes[0] == shapes[1] == shapes[2]
    assert shapes[0][0] == shapes[0][1]
    (ours, *_), (theirs, *_) = deployed
    acted = [jax.vmap(lambda obs: policy.act((), obs, key)[0])(obs) for obs in (ours, theirs)]
    np.testing.assert_array_equal(*acted)


# Algorithms 1 and 2.

SAMPLES = 1000


def log_of(lengths, first=UNIFORM, seed=0, steps=None):
    """Of users who stayed for so long, at random slates of USERS after the first."""
    rng = np.random.default_rng(seed)
    shape = len(lengths), steps or max(lengths)
    shown = rng.integers(4, size=shape)
    shown[:, 0] = first
    valid = np.arange(shape[1]) < np.asarray(lengths)[:, None]
    return shown, Logs(
        slates=jnp.where(valid[..., None], USERS.slates[shown], 1 / 36),
        choices=jnp.where(valid, rng.integers(36, size=shape), 0),
        valid=jnp.asarray(valid),
        policy=jnp.zeros(len(lengths), jnp.int32),
        policies=("any",),
    )


def known(tables, prior, shown, past, user):
    """P(u_0, u_t) after each of a user's steps."""
    joints = [np.diag(prior).astype(float)]
    for time in range(int(past.valid[user].sum())):
        seen = joints[-1] * tables.choice[shown[user, time], :, past.choices[user, time]]
        joints.append(seen / seen.sum() @ tables.shift[shown[user, time]])
    return np.array(joints)


def test_users_go_on_from_their_past_as_exact_prediction_has_it(oracle, tables, prior, simulated):
    """What is past is known for certain, what comes is a mean over samples; one of the users has no past."""
    lengths = [3, 1, 0]
    shown, past = log_of(lengths)
    policy = RandomSlate(ORACLE.slates)
    one, two = (
        learned.future_preferences(ORACLE, policy, jax.random.key(seed), oracle, past, SAMPLES) for seed in range(2)
    )
    for user, length in enumerate(lengths):
        joints = known(tables, prior, shown, past, user)
        for time in range(length):
            chosen = joints[time].sum(axis=0) @ tables.choice[shown[user, time]]
            np.testing.assert_allclose(one.choices[user, time], chosen, atol=2e-5)
        for found in (one, two):
            np.testing.assert_allclose(found.preferences[user, : length + 1], joints.sum(axis=1), atol=2e-5)
        later = joints[-1].sum(axis=0)
        for time in range(length, STEPS):
            assert near(one.preferences[user, time], later, SAMPLES)
            assert near(one.choices[user, time], later @ tables.choice.mean(axis=0), SAMPLES)
            assert near(two.preferences[user, time], one.preferences[user, time], SAMPLES / 2)
            later = later @ tables.shift.mean(axis=0)
    _, current, choices = simulated
    for time in range(STEPS):  # nothing is known of the last one: it is anybody in the environment
        count = SAMPLES * PLAYED / (SAMPLES + PLAYED)
        assert near(current[:, time].mean(axis=0), one.preferences[-1, time], count)
        assert near(np.bincount(choices[:, time], minlength=36) / PLAYED, one.choices[-1, time], count)
    nobody = jax.eval_shape(partial(learned.future_preferences, ORACLE, policy), jax.random.key(0), oracle)
    assert nobody.preferences.shape == nobody.choices.shape == (1, STEPS, 36)


def test_served_otherwise_from_the_start_as_exact_counterfactuals_have_it(oracle, tables, prior):
    """What is known of u_0 from all of the past, then another recommender: random, or the uniform slate alone.

    Whatever stands in the log after a user's last step.
    """
    shown, past = log_of([3, 2], seed=1)
    past = past.replace(slates=past.slates.at[1, 2].set(USERS.slates[0]), choices=past.choices.at[1, 2].set(7))
    for chances in ([0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 1.0]):
        policy, shift = Lottery(jnp.array(chances)), np.einsum("a,auv->uv", chances, tables.shift)
        found = learned.counterfactual_preferences(ORACLE, policy, jax.random.key(0), oracle, past, SAMPLES)
        for user in range(2):
            later = known(tables, prior, shown, past, user)[-1].sum(axis=1)
            np.testing.assert_allclose(found.preferences[user, 0], later, atol=2e-5)
            for time in range(STEPS):
                assert near(found.preferences[user, time], later, SAMPLES)
                assert near(found.choices[user, time], later @ np.tensordot(chances, tables.choice, 1), SAMPLES)
                later = later @ shift


def test_what_cannot_be_anticipated_is_refused(oracle, key):
    policy = RandomSlate(ORACLE.slates)
    _, long = log_of([STEPS + 1])
    for anticipate in (learned.future_preferences, learned.counterfactual_preferences):
        with pytest.raises(jaxrec.InputError, match=f"{STEPS + 1} steps, the model a horizon of {STEPS}"):
            anticipate(ORACLE, policy, key, oracle, long)
        with pytest.raises(jaxrec.InputError, match="samples"):
            anticipate(ORACLE, policy, key, oracle, log_of([1])[1], samples=0)
        with pytest.raises(jaxrec.InputError, match="choice_base"):
            anticipate(ORACLE, policy, key, oracle.replace(choice_base=-1.0), log_of([1])[1])


# A model learns from logs alone.

PACKAGE = Path(jaxrec.__file__).parent
HIDDEN = {  # how users really shift, and what they really prefer
    *("shifts", "tables", "Tables", "convenience", "worth", "natural_preferences", "rationality", "inertia"),
    *("initial_mean", "initial_deviation", "BELIEF_SHARPNESS", "PreferenceShift", "PreferenceState"),
    *("PreferenceParams", "infer", "Trajectories", "generate", "record"),
}
BLIND = [f"envs/learned/{name}.py" for name in ("network", "inference", "env", "metrics", "render")]
BLIND += [f"estimation/{name}.py" for name in ("anticipation", "logs", "user_model")]


def names_in(path):
    """Whatever code refers to by name; what is said in documentation is no reference."""
    for node in ast.walk(ast.parse(path.read_text())):
        for field in ("id", "attr", "arg", "name", "module"):
            if isinstance(value := getattr(node, field, None), str):
                yield from value.split(".")


@pytest.mark.parametrize("slate", [0, UNIFORM, -1])
def test_likelihoods_of_strict_users_are_no_nan(slate):
    """exp(beta_c) leaves float32; what nobody would choose is still no reason to believe nothing."""
    strict = TRUTH.replace(choice_heights=np.array([300.0, 500.0], np.float32))
    users, shown = dynamics.users_of(strict), [*USERS.slates, jnp.eye(36)[20]][slate]
    every = jax.vmap(inference.likelihood, in_axes=(None, 0, None))(shown, jnp.arange(36), users)
    np.testing.assert_allclose(every.T, dynamics.choices(shown, users), rtol=1e-4, atol=1e-37)
    assert (every > 0).all()


@pytest.mark.parametrize("name", [*BLIND, "envs/preference/slates.py"])
def test_a_model_is_told_nothing_of_how_users_really_shift(name):
    used = set(names_in(PACKAGE / name))
    assert not used & HIDDEN, f"{name} uses {used & HIDDEN}: only real users know that"
    assert {"env", "exact", "dataset", "deployed"}.isdisjoint(
        module.rsplit(".", 1)[-1]
        for module in imported(PACKAGE / name)
        if module.startswith(("jaxrec.envs.preference", "jaxrec.envs.learned"))
        and module != "jaxrec.envs.learned.env"  # the model itself
    ), f"{name} imports real users"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_the_names_that_are_hidden_are_those_of_the_users():
    """Were one renamed, the test above would look for nothing."""
    everywhere = set()
    for folder in ("envs/preference", "envs/learned", "estimation"):
        for path in (PACKAGE / folder).glob("*.py"):
            everywhere |= set(names_in(path))
    assert everywhere >= HIDDEN
