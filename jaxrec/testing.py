"""A test that any environment must pass: run it on your own."""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.environment import Environment
from jaxrec.lockstep import where_done
from jaxrec.rollout import rollout
from jaxrec.spaces import Box
from jaxrec.utilities import reward_function


def api_test(env: Environment, params: Any = None, num_envs: int = 8, num_steps: int = 64) -> None:
    """Plays random actions and checks the contract of `Environment`.

    Checks that observations, actions and rewards are of the stated space, shape and dtype, and finite; that the
    automatic reset keeps the final observation and gives what `reset_env` gives; that the utilities and metrics are
    finite; that the reward is the one asked for; that `fixed_horizon` is where episodes end and the observation index
    in range; that equal keys give equal episodes; that a second call does not retrace, and that a step gives
    the types that a reset gives; and that every policy of its own
    rolls out, with influence and without.

    Raises:
        AssertionError: for whatever does not hold.
    """
    params = env.default_params if params is None else params
    traces = 0

    @jax.jit
    def play(key: Any) -> Any:
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
    started = jax.eval_shape(env.reset_env, jax.random.key(0), params)
    stepped = jax.eval_shape(env.step_env, jax.random.key(0), started[1], 0, params)[:2]
    for (path, before), after in zip(
        jax.tree_util.tree_leaves_with_path(started), jax.tree.leaves(stepped), strict=True
    ):
        of = f"{jax.tree_util.keystr(path)} of (observation, state)"
        same = (before.shape, before.dtype) == (after.shape, after.dtype)
        assert same, f"{of} is {before} after a reset, {after} after a step"
        assert before.weak_type == after.weak_type, f"{of} changes its weak type in a step: a scan over it retraces"
    for name in env.policies:
        for influence in (0.0, 1.0):
            rollout(env, env.policy(name), jax.random.key(0), num_envs, 2, params.replace(influence=influence))
    assert hash(copy.deepcopy(env)) == hash(env), "environments must hash by their constructor arguments"
    assert copy.deepcopy(env) == env, "environments must compare by their constructor arguments"


def _episode(env: Environment, key: Any, params: Any, num_steps: int) -> Any:
    key_reset, key_steps = jax.random.split(key)
    obs, state = env.reset_env(key_reset, params)

    def body(carry: Any, key: Any) -> Any:
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
        incentives = env.incentives(state, action, inner_state, params)
        metrics = env.metrics(state, action, inner_state, params)
        weights = params.reward_weights
        checks = {
            "observation outside its space": env.observation_space(params).contains(obs),
            "final observation outside the observation space": env.observation_space(params).contains(inner_obs),
            "action outside its space": env.action_space(params).contains(action),
            "step and step_env differ in reward": _same(reward, inner_reward),
            "reward is not the one asked for": _same(reward, reward_function(env.reward)(incentives, weights)),
            "step and step_env differ in termination": terminated == inner_terminated,
            "discount is not 0 at termination, else 1": info["discount"] == 1 - terminated,
            "final_observation is not that of step_env": _same(info["final_observation"], inner_obs),
            "automatic reset is not reset_env": _same((new_obs, new_state), jax.tree.map(lambda x: x[0], expected)),
            "not finite": jnp.all(jnp.stack([_finite(tree) for tree in (obs, inner_obs, reward, utilities, metrics)])),
            "truncated, though may_truncate is false": env.may_truncate | ~truncated,
            "time does not count steps": inner_state.time == state.time + 1,
            "fixed_horizon is not where episodes end": env.fixed_horizon is None
            or done == (inner_state.time == env.fixed_horizon),
            "observation index out of range": _index_in_range(env, obs) & _index_in_range(env, inner_obs),
        }
        _assert_static(env, params, obs, reward, metrics)
        return (new_obs, new_state), (checks, obs, reward)

    _, (checks, obs, reward) = jax.lax.scan(body, (obs, state), jax.random.split(key_steps, num_steps))
    return {"checks": checks, "obs": obs, "reward": reward}


def _assert_static(env: Environment, params: Any, obs: Any, reward: Any, metrics: Any) -> None:
    """What shapes and dtypes alone decide."""
    assert jnp.shape(reward) == (), f"reward must be a scalar, got {jnp.shape(reward)}"
    assert jnp.issubdtype(jnp.result_type(reward), jnp.floating), f"reward must be float, got {reward.dtype}"
    assert all(jnp.shape(value) == () for value in metrics.values()), "metrics must be scalars"
    space = env.observation_space(params)
    if isinstance(space, Box):
        assert (obs.shape, obs.dtype) == (space.shape, space.dtype), (
            f"observation is {obs.dtype}{obs.shape}, not {space}"
        )


def _index_in_range(env: Environment, obs: Any) -> Any:
    if env.num_observations is None:
        return jnp.asarray(True)
    index = env.observation_index(obs)
    return (index >= 0) & (index < env.num_observations)


def _same(a: Any, b: Any) -> Any:
    # Close, not equal: one expression compiled in two places may round differently.
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return jnp.all(jnp.stack([jnp.all(jnp.isclose(x, y, rtol=1e-5, atol=1e-6)) for x, y in pairs]))


def _finite(tree: Any) -> Any:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def _equal(a: Any, b: Any) -> bool:
    return bool(jnp.all(a == b))
