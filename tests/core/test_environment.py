"""What every registered environment must do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.rollouts import _rollout
from jaxrec.testing import api_test

ENVIRONMENTS = jaxrec.registered_envs()
QUICK = [env if env == "PolarisingUsers-v0" else pytest.param(env, marks=pytest.mark.slow) for env in ENVIRONMENTS]
HEAVY = {
    "LearnedUsers-v0": pytest.mark.slow,  # a minute to compile; a small one is in envs/learned
    "RewiringMarket-v0": pytest.mark.slow,
}
SMALLER = {"RewiringGame-v0": {"num_users": 6, "degree": 2}}  # half of the time to compile
EVERY = [pytest.param(env, marks=HEAVY.get(env, ())) for env in ENVIRONMENTS]
TELLING = {  # where every parameter matters, and within a short rollout
    "RewiringGame-v0": {"time_limit": 60},
    "RewiringMarket-v0": {"time_limit": 60, "recommender_timescale": 1.0},
    "PreferenceShift-v0": {"bait_height": 1.0},  # 0 by default: no bait, and its place, width and cost say nothing
    "LearnedUsers-v0": {"bait_height": 1.0},
}


@pytest.mark.parametrize("env_id", EVERY)
def test_contract(env_id):
    env, params = jaxrec.make(env_id, **SMALLER.get(env_id, {}))
    api_test(env, params)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_contract_in_float64(env_id):
    with jax.enable_x64(True):
        env, params = jaxrec.make(env_id)
        api_test(env, params)
        _, _, reward, _, _ = env.step_env(jax.random.key(0), env.reset(jax.random.key(0), params)[1], 0, params)
        assert reward.dtype == jnp.float64


@pytest.mark.parametrize("env_id", QUICK)
@pytest.mark.parametrize(
    "reward", ["engagement", "aligned", "penalised", lambda utilities, weights: utilities.society * 2]
)
def test_every_reward_is_a_choice_over_utilities(env_id, reward, key):
    env, params = jaxrec.make(env_id, reward=reward)
    params = params.replace(reward_weights=jaxrec.Utilities(recommender=0.5, user=2.0, society=3.0))
    _, state = env.reset(key, params)
    action = env.action_space(params).sample(key)
    _, next_state, paid, _, _ = env.step_env(key, state, action, params)
    worth = env.reward_components(state, action, next_state, params)
    expected = {
        "engagement": worth.recommender,
        "aligned": worth.society,
        "penalised": 0.5 * worth.recommender + 2 * jnp.mean(worth.user) + 3 * worth.society,
    }.get(reward if isinstance(reward, str) else "", worth.society * 2)
    np.testing.assert_allclose(paid, expected, rtol=1e-6)


@pytest.mark.parametrize("env_id", QUICK)
def test_equal_environments_share_one_compilation(env_id, key):
    (one, params), (two, _) = jaxrec.make(env_id), jaxrec.make(env_id)
    assert one == two
    assert hash(one) == hash(two)
    policy = one.policy(next(iter(one.policies)))
    jaxrec.rollout(one, policy, key, 3, 5, params)
    compiled = _rollout.compiled._cache_size()
    jaxrec.rollout(two, policy, jax.random.key(1), 3, 5, params)
    assert _rollout.compiled._cache_size() == compiled


@pytest.mark.parametrize("env_id", QUICK)
def test_a_parameter_changed_is_a_behaviour_changed(env_id, key):
    env, params = jaxrec.make(env_id, reward="penalised")
    weights = jaxrec.Utilities(recommender=1.0, user=2.0, society=3.0)  # none is 0, where a share changes nothing
    params = params.replace(reward_weights=weights, **TELLING.get(env_id, {}))
    policy = env.policy(list(env.policies)[1])

    def behaviour(params):
        result = jaxrec.rollout(env, policy, key, 64, 40, params)
        return np.concatenate([value.ravel() for value in jax.tree.leaves(result)])

    usual = behaviour(params)
    for name in dict.fromkeys(_parameter(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)):
        changed = jax.tree_util.tree_map_with_path(lambda p, x, n=name: x * 0.97 if _parameter(p) == n else x, params)
        if name == ".shares":  # they sum to 1
            changed = params.replace(shares=params.shares[::-1])
        if name == ".exclusive":
            changed = params.replace(exclusive=True)
        changed = behaviour(_legal(env, params, changed))
        assert not np.array_equal(usual, changed), f"{name} changes nothing"


def _parameter(path):
    """The name of the parameter that a leaf belongs to.

    Learned weights are one for each network: of its leaves some start at 0, and some provably change nothing, such as
    the bias of the keys in an attention.
    """
    return jax.tree_util.keystr(path).partition("['params']")[0]


@pytest.mark.parametrize("env_id", QUICK)
@pytest.mark.parametrize("influence", [-0.1, 1.1, float("nan")])
def test_influence_is_within_0_and_1(env_id, influence, key):
    env, params = jaxrec.make(env_id)
    params = params.replace(influence=influence)
    with pytest.raises(jaxrec.InputError, match="influence"):
        env.reset(key, params)
    with pytest.raises(jaxrec.InputError, match="influence"):
        jaxrec.rollout(env, env.policy(next(iter(env.policies))), key, 1, 1, params)


@pytest.mark.parametrize("env_id", QUICK)
def test_no_parameter_may_be_nan(env_id, key):
    env, params = jaxrec.make(env_id)
    for field in dataclasses.fields(params):
        broken = jax.tree.map(lambda leaf: leaf * np.nan, getattr(params, field.name))
        if not jax.tree.leaves(broken):  # what `prepare` fills in
            continue
        with pytest.raises(jaxrec.InputError, match=field.name):
            env.reset(key, params.replace(**{field.name: broken}))


def _legal(env, params, changed):
    """`changed`, or the parameters changed upwards where downwards is out of range."""
    try:
        env.check_params(changed)
    except jaxrec.InputError:
        return jax.tree.map(lambda old, new: old + (old - new), params, changed)
    return changed
