"""A test that every environment must pass: run it on your own."""

import copy
import itertools
import logging
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec.checks import InputError, known_keywords
from jaxrec.environment import Environment
from jaxrec.inputs import check_env
from jaxrec.measures import check_names
from jaxrec.rollouts import rollout
from jaxrec.spaces import Box, Discrete
from jaxrec.utilities import reward_function
from jaxrec.vectorized import where_done

LOG = logging.getLogger(__name__)  # no warning: an environment without users, such as a toy, need not name any
MAX_ENUMERATED = 100_000  # observations, of which each must have an index


@known_keywords
def api_test(env: Environment, params: PyTree = None, num_envs: int = 8, num_steps: int = 64) -> None:
    """Plays random actions and checks the contract of `Environment`.

    Checks that observations, actions and rewards are of the stated space, shape and dtype, and finite; that no state
    holds NaN, at which a training stops; that `observe` gives the observations that a reset and a step give; that the
    automatic reset keeps the final observation and begins like `reset_env`; that the utilities and metrics are finite,
    and no metric overwrites another measure; that `env.reward` decides the reward; that episodes end at
    `fixed_horizon`; that the observation index is in range, tells observations apart and leaves out no number (the last
    for at most 100 000 observations); that equal keys give equal episodes; that a second call does not retrace, and
    that a step gives the types that a reset gives; that at influence 0 users (`env.preferences`) are the same under all
    recommendations; and that every policy of the environment rolls out, with influence and without.

    Args:
        env: the environment.
        params: run-time values; its defaults if None.
        num_envs: environments in parallel, at least 1.
        num_steps: steps of each, at least 1.

    Raises:
        AssertionError: for the first check that fails.

    Warns:
        UserWarning: if users are the same at influence 1 too. If `env.preferences` is empty, influence cannot be
            tested, and the log says so.
    """
    try:
        check_env(env)
        params = env.resolve(params)
        _check_episodes(env, params, num_envs, num_steps)
        _check_types(env, params)
        _check_index(env, params)
        _check_influence(env, params, num_envs, num_steps)
        for name in env.policies:
            for influence in (0.0, 1.0):
                changed = params.replace(influence=influence)
                try:
                    policy = env.policy(name, changed)
                except InputError:  # one that needs another setting, such as other observations
                    continue
                rollout(env, policy, jax.random.key(0), num_envs, 2, changed)
    except InputError as error:
        raise AssertionError(str(error)) from error
    assert hash(copy.deepcopy(env)) == hash(env), "environments must hash by their constructor arguments"
    assert copy.deepcopy(env) == env, "environments must compare by their constructor arguments"


def _check_episodes(env: Environment, params: PyTree, num_envs: int, num_steps: int) -> None:
    traces = 0

    @jax.jit
    def play(key: Array) -> PyTree:
        nonlocal traces
        traces += 1
        return jax.vmap(lambda key: _episode(env, key, params, num_steps))(jax.random.split(key, num_envs))

    first, again, other = play(jax.random.key(0)), play(jax.random.key(0)), play(jax.random.key(1))
    assert traces == 1, "a second call with the same shapes retraced"
    assert all(jax.tree.leaves(jax.tree.map(_equal, first, again))), "equal keys gave different episodes"
    assert not all(jax.tree.leaves(jax.tree.map(_equal, first, other))), "different keys gave the same episode"
    for checks in (first, other):
        for name, held in checks["checks"].items():
            assert np.all(held), f"{env.name}: {name}"
    for name in env.sparse_metrics:
        assert not np.isnan(first["sparse"][name]).all(), f"{env.name}: metric {name!r} was never there"
    if env.num_observations is not None:
        _check_apart(env, first["obs"])


def _check_types(env: Environment, params: PyTree) -> None:
    """Checks that a step gives the types that a reset gives."""
    started = jax.eval_shape(env.reset_env, jax.random.key(0), params)
    action = jax.eval_shape(env.action_space(params).sample, jax.random.key(0))
    stepped = jax.eval_shape(env.step_env, jax.random.key(0), started[1], action, params)[:2]
    for (path, before), after in zip(
        jax.tree_util.tree_leaves_with_path(started), jax.tree.leaves(stepped), strict=True
    ):
        of = f"{jax.tree_util.keystr(path)} of (observation, state)"
        same = (before.shape, before.dtype) == (after.shape, after.dtype)
        assert same, f"{of} is {before} after a reset, {after} after a step"
        assert before.weak_type == after.weak_type, f"{of} changes its weak type in a step: a scan over it retraces"


def _check_apart(env: Environment, obs: PyTree) -> None:
    """Checks that different observations have different indices; leaves are [envs, steps, ...]."""
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), obs)
    index = np.asarray(jax.vmap(env.observation_index)(flat))
    rows = np.concatenate([np.asarray(leaf, float).reshape(len(index), -1) for leaf in jax.tree.leaves(flat)], axis=1)
    found = len(np.unique(rows, axis=0))
    assert found == len(np.unique(index)), f"{env.name}: different observations have the same index"


def _check_index(env: Environment, params: PyTree) -> None:
    """Checks that every number below `num_observations` is an index, where all observations can be enumerated."""
    space, count = env.observation_space(params), env.num_observations
    if count is None or not isinstance(space, Discrete | Box) or not jnp.issubdtype(space.dtype, jnp.integer):
        return
    low, high = int(np.asarray(space.low)), int(np.asarray(space.high))
    size = int(np.prod(space.shape))
    if (high - low + 1) ** size > MAX_ENUMERATED:
        return
    every = np.array(list(itertools.product(range(low, high + 1), repeat=size)), space.dtype)
    index = jax.vmap(env.observation_index)(jnp.asarray(every).reshape(-1, *space.shape))
    missing = set(range(count)) - set(np.asarray(index).tolist())
    assert not missing, f"{env.name}: the observation index has gaps: no observation has {min(missing)}"


def _check_influence(env: Environment, params: PyTree, num_envs: int, num_steps: int) -> None:
    """Checks that at influence 0 two sequences of actions on the same draws give the same users after each step."""
    if not env.preferences:
        LOG.warning("%s names no preferences: what influence does to its users is not tested", env.name)
        return
    twins = jax.jit(jax.vmap(lambda key, params: _twins(env, key, params, num_steps), in_axes=(0, None)))
    for influence in (0.0, 1.0):
        keys = jax.random.split(jax.random.key(2), num_envs)
        differs = np.any(np.asarray(twins(keys, params.replace(influence=influence))), axis=0).tolist()
        if influence == 0:
            for name, changed in zip(env.preferences, differs, strict=True):
                assert not changed, f"{env.name}: at influence 0 what is recommended changes {name}"
        elif not any(differs):
            warnings.warn(
                f"{env.name}: users are the same at influence 1 too, whatever is recommended, in {num_envs} x "
                f"{num_steps} steps",
                stacklevel=4,  # where `api_test` is called
            )


def _twins(env: Environment, key: Array, params: PyTree, num_steps: int) -> Any:
    """Tells, as bool[preferences], which differ between two sequences of random actions, until an episode ends.

    Both go through one batched transition: compiled in two places, it might round differently.
    """
    key_reset, key_steps = jax.random.split(key)
    _, state = env.reset_env(key_reset, params)
    act = jax.vmap(env.action_space(params).sample)
    move = jax.vmap(env.transition, in_axes=(None, 0, 0, None))
    cut_off = jax.vmap(env.is_truncated, in_axes=(0, None))

    def body(carry: PyTree, key: Array) -> Any:
        both, done, differs = carry
        key_step, *keys = jax.random.split(key, 3)
        both, terminated = move(key_step, both, act(jnp.stack(keys)), params)
        ended = jnp.any(terminated | cut_off(both, params))
        one, other = (env.preferences_of(jax.tree.map(lambda leaf, i=i: leaf[i], both)) for i in range(2))
        changed = jnp.stack([~_all_equal(*pair) for pair in zip(one, other, strict=True)])
        return (both, done | ended, differs | (changed & ~done)), None

    both = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), state)
    start = (both, jnp.zeros((), bool), jnp.zeros(len(env.preferences), bool))
    return jax.lax.scan(body, start, jax.random.split(key_steps, num_steps))[0][2]


def _all_equal(one: PyTree, other: PyTree) -> Array:
    return jnp.all(jnp.stack([jnp.all(a == b) for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True)]))


def _episode(env: Environment, key: Array, params: PyTree, num_steps: int) -> Any:
    key_reset, key_steps = jax.random.split(key)
    obs, state = env.reset_env(key_reset, params)

    def body(carry: PyTree, key: Array) -> Any:
        obs, state = carry
        key_action, key_step = jax.random.split(key)
        action = env.action_space(params).sample(key_action)
        new_obs, new_state, reward, terminated, truncated, info = env.step(key_step, state, action, params)
        key_env, key_fresh = jax.random.split(key_step)
        inner_obs, inner_state, inner_reward, inner_terminated, _ = env.step_env(key_env, state, action, params)
        fresh = env.reset_env(key_fresh, params)
        done = terminated | truncated
        expected = where_done(
            done[None], *(jax.tree.map(lambda x: x[None], t) for t in (fresh, (inner_obs, inner_state)))
        )
        utilities = env.utilities(state, action, inner_state, params)
        reward_components = env.reward_components(state, action, inner_state, params)
        metrics = env.metrics(state, action, inner_state, params)
        check_names(env, metrics)
        dense = {name: value for name, value in metrics.items() if name not in env.sparse_metrics}
        weights = params.reward_weights
        checks = {
            "NaN in a state, at which trainings stop": ~_any_nan((state, inner_state)),
            "observation outside its space": env.observation_space(params).contains(obs),
            "observation is not that of observe": _same(obs, env.observe(state, params))
            & _same(inner_obs, env.observe(inner_state, params)),
            "final observation outside the observation space": env.observation_space(params).contains(inner_obs),
            "action outside its space": env.action_space(params).contains(action),
            "step and step_env differ in reward": _same(reward, inner_reward),
            "reward is not that of env.reward": _same(reward, reward_function(env.reward)(reward_components, weights)),
            "step and step_env differ in termination": terminated == inner_terminated,
            "discount is not 0 at termination, else 1": info["discount"] == 1 - terminated,
            "final_observation is not that of step_env": _same(info["final_observation"], inner_obs),
            "automatic reset is not reset_env": _same((new_obs, new_state), jax.tree.map(lambda x: x[0], expected)),
            "not finite": jnp.all(jnp.stack([_finite(tree) for tree in (obs, inner_obs, reward, utilities, dense)])),
            "truncated, though may_truncate is false": env.may_truncate | ~truncated,
            "time does not count steps": inner_state.time == state.time + 1,
            "fixed_horizon is not where episodes end": env.fixed_horizon is None
            or done == (inner_state.time == env.fixed_horizon),
            "observation index out of range": _index_in_range(env, obs) & _index_in_range(env, inner_obs),
        }
        _assert_static(env, params, obs, reward)
        sparse = {name: jnp.asarray(metrics[name], float) for name in env.sparse_metrics}
        return (new_obs, new_state), (checks, obs, reward, sparse)

    _, (checks, obs, reward, sparse) = jax.lax.scan(body, (obs, state), jax.random.split(key_steps, num_steps))
    return {"checks": checks, "obs": obs, "reward": reward, "sparse": sparse}


def _assert_static(env: Environment, params: PyTree, obs: PyTree, reward: Array) -> None:
    """Checks shapes and dtypes alone."""
    assert jnp.shape(reward) == (), f"reward must be a scalar, got {jnp.shape(reward)}"
    assert jnp.issubdtype(jnp.result_type(reward), jnp.floating), f"reward must be float, got {reward.dtype}"
    space = env.observation_space(params)
    if isinstance(space, Box):
        assert (obs.shape, obs.dtype) == (space.shape, space.dtype), (
            f"observation is {obs.dtype}{obs.shape}, not {space}"
        )


def _index_in_range(env: Environment, obs: PyTree) -> Any:
    if env.num_observations is None:
        return jnp.asarray(True)
    index = env.observation_index(obs)
    return (index >= 0) & (index < env.num_observations)


def _same(a: PyTree, b: PyTree) -> Array:
    # Close, not equal: one expression compiled in two places may round differently.
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return jnp.all(jnp.stack([jnp.all(jnp.isclose(x, y, rtol=1e-5, atol=1e-6)) for x, y in pairs]))


def _finite(tree: PyTree) -> Any:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def _any_nan(tree: PyTree) -> Any:
    floats = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.any(jnp.stack([jnp.zeros((), bool), *(jnp.isnan(leaf).any() for leaf in floats)]))


def _equal(a: Array, b: Array) -> bool:
    return bool(jnp.all((a == b) | (jnp.isnan(a) & jnp.isnan(b)) if jnp.issubdtype(a.dtype, jnp.floating) else a == b))
