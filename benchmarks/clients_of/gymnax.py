"""Every wrapper of gymnax 1.0, around an environment as it is, or flattened where a wrapper reads arrays alone."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.clients_of.reasons import ImpossibleError, refuse_slates
from jaxrec import Environment
from jaxrec.spaces import Fields
from jaxrec.wrappers import FlattenObservation

STEPS = 40
NO_SLATES = "gymnax converts no space of slates to Gymnasium; jaxrec.gymnasium does, to MultiDiscrete"


def log(env: Environment) -> None:
    """Plays with `LogWrapper`, which must report what the rewards add up to."""
    from gymnax.wrappers import LogWrapper

    rewards, reported = 0.0, None
    for _, _, reward, terminated, _, info in _played(LogWrapper(env), STEPS):
        rewards += float(reward)
        if terminated:
            reported = float(info["returned_episode_returns"])
            break
    assert reported is None or abs(rewards - reported) < 1e-3


def flatten(env: Environment) -> None:
    """Plays with `FlattenObservationWrapper`."""
    from gymnax.wrappers import FlattenObservationWrapper

    if isinstance(env.observation_space(), Fields):
        raise ImpossibleError("gymnax flattens observations that are one array; jaxrec.wrappers.FlattenObservation all")
    wrapped = FlattenObservationWrapper(env)
    obs, *_ = _played(wrapped, 2)[-1]
    assert obs.shape == wrapped.observation_space(env.default_params).shape


def sticky(env: Environment) -> None:
    """Plays with `StickyActionWrapper`."""
    refuse_slates(env, "gymnax repeats Discrete actions alone")
    from gymnax.wrappers import StickyActionWrapper

    _played(StickyActionWrapper(env, 0.5), 3)


def legacy(env: Environment) -> None:
    """Plays with `LegacyStepAPIWrapper`, which must give five values."""
    from gymnax.wrappers import LegacyStepAPIWrapper

    assert {len(each) for each in _played(LegacyStepAPIWrapper(cast(Any, env)), 3)} == {5}


def dm_env(env: Environment) -> None:
    """Plays with `GymnaxToDmEnvWrapper`."""
    from gymnax.wrappers import GymnaxToDmEnvWrapper

    wrapped = GymnaxToDmEnvWrapper(env)
    step = wrapped.reset(jax.random.key(0))
    for key in jax.random.split(jax.random.key(1), 3):
        step = wrapped.step(key, step, drawn(env, key))
    assert step.discount == 1


def gym(env: Environment) -> None:
    """Plays with `GymnaxToGymWrapper`."""
    refuse_slates(env, NO_SLATES)
    from gymnax.wrappers import GymnaxToGymWrapper

    wrapped = GymnaxToGymWrapper(cast(Any, env))
    wrapped.reset(seed=1)
    obs, *_ = wrapped.step(wrapped.action_space.sample())
    _check_held(env, wrapped.observation_space, obs)


def vector_gym(env: Environment) -> None:
    """Plays with `GymnaxToVectorGymWrapper`."""
    refuse_slates(env, NO_SLATES)
    from gymnax.wrappers import GymnaxToVectorGymWrapper

    wrapped = GymnaxToVectorGymWrapper(cast(Any, env), num_envs=3)
    wrapped.reset(seed=1)
    obs, reward, *_ = wrapped.step(jnp.asarray(wrapped.action_space.sample(), jnp.int32))
    assert reward.shape == (3,)
    _check_held(env, wrapped.observation_space, obs)


def rollout(env: Environment) -> None:
    """Rolls out with `RolloutWrapper`, for as many steps as it reads from the parameters."""
    from gymnax.experimental import RolloutWrapper

    wrapped = RolloutWrapper(env=env)
    assert wrapped.num_env_steps == env.default_params.max_steps_in_episode
    wrapped = RolloutWrapper(env=env, num_env_steps=env.fixed_horizon or STEPS)
    *_, reward, _, done, total = wrapped.single_rollout(jax.random.key(0), None)
    first = int(np.argmax(done)) if done.any() else len(done) - 1
    np.testing.assert_allclose(total[0], reward[: first + 1].sum(), rtol=1e-4)


def brax(env: Environment) -> None:
    """Steps with `GymnaxToBraxWrapper`."""
    from gymnax.wrappers.brax import GymnaxToBraxWrapper

    wrapped: Any = GymnaxToBraxWrapper(cast(Any, env))
    state = wrapped.reset(jax.random.key(0))
    state = wrapped.step(state, drawn(env, jax.random.key(1)))
    assert state.reward.shape == ()


def evojax(env: Environment) -> None:
    """Raises ImpossibleError: its constructor takes no environment."""
    raise ImpossibleError("GymnaxToEvoJaxTask builds its environment by gymnax.make, and takes no other")


def _check_held(env: Environment, space: Any, obs: Any) -> None:
    """Checks that a Gymnasium space holds an observation that gymnax hands on as it is.

    Raises:
        ImpossibleError: for a structure: the space is of dicts.
    """
    if isinstance(env.observation_space(), Fields):
        raise ImpossibleError("gymnax hands structures on where its space says dicts; jaxrec.gymnasium makes dicts")
    assert space.contains(np.asarray(obs))


def _played(env: Any, steps: int) -> list[Any]:
    """What each step gives under random actions."""
    params = env.default_params
    _, state = env.reset(jax.random.key(0), params)
    out = []
    for key in jax.random.split(jax.random.key(1), steps):
        out.append(env.step(key, state, env.action_space(params).sample(key), params))
        state = out[-1][1]
    return out


def drawn(env: Environment, key: jax.Array) -> Any:
    """Draws an action."""
    return env.action_space(env.default_params).sample(key)


def arrays(env: Environment) -> Environment:
    """Gives the environment with observations of one array."""
    return FlattenObservation(env) if isinstance(env.observation_space(), Fields) else env
