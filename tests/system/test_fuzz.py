"""Every environment and agent at configurations that nobody chose: each plays and learns as it must, or is refused.

The full draw is 200 static configurations with 50 sets of run-time values each, with `-m slow`.
It draws the same every time; a configuration that fails is printed.
"""

import json
import re
import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agent_configurations import AGENTS, Swept, hyper_parameters
from configurations import ENVIRONMENTS, run_time_values
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from societies import checked

import jaxrec
from jaxrec.envs.rewiring.graph.society import stack
from jaxrec.training import TrainingError, fit

STEPS = 14
SECONDS = 300  # more is a hang
FEW, MANY = 8, 50
PROBABILITIES = ("steered", "unsteered", "joint", "initial", "current", "natural")


def fuzzed(examples):
    """A test of so many examples, always the same."""
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip


def in_time(work):
    """What `work` returns or raises, in a thread: compiled code that hangs answers no signal."""
    ends = []

    def run():
        try:
            ends.append((work(), None))
        except BaseException as error:
            ends.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert ends, f"no end after {SECONDS} s"
    result, error = ends[0]
    if error is not None:
        raise error
    return result


@partial(jax.jit, static_argnames="env")
def play(env, keys, params, policy):
    """[sets, STEPS] of (observation, state, utilities, metrics, reward, whether the observation is in its space)."""

    def one(key, params):
        key_reset, key_policy, key_steps = jax.random.split(key, 3)
        obs, state = env.reset_env(key_reset, params)

        def step(carry, key):
            obs, state, memory = carry
            key_act, key_step, key_reset = jax.random.split(key, 3)
            if policy is None:
                action = env.action_space(params).sample(key_act)
            else:
                action, memory = policy.act(memory, obs, key_act)
            next_obs, next_state, reward, terminated, _ = env.step_env(key_step, state, action, params)
            utilities = env.utilities(state, action, next_state, params)
            metrics = env.metrics(state, action, next_state, params)
            metrics = {name: value for name, value in metrics.items() if name not in env.sparse_metrics}  # NaN there
            inside = env.observation_space(params).contains(next_obs) & env.action_space(params).contains(action)
            fresh = env.reset_env(key_reset, params)
            carry = jax.tree.map(lambda a, b: jnp.where(terminated, a, b), fresh, (next_obs, next_state))
            return (*carry, memory), (next_obs, next_state, utilities, metrics, reward, inside)

        memory = () if policy is None else policy.init(key_policy)
        return jax.lax.scan(step, (obs, state, memory), jax.random.split(key_steps, STEPS))[1]

    return jax.vmap(one)(keys, params)


def assert_finite(tree):
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if np.issubdtype(leaf.dtype, np.inexact):
            wrong = ~np.isfinite(leaf)
            assert not wrong.any(), (
                f"{jax.tree_util.keystr(path)} of sets {np.unique(np.nonzero(wrong)[0])}: {leaf[wrong].ravel()[:3]}"
            )


def assert_probabilities(tree):
    """Every distribution over the bins sums to 1."""
    for name in PROBABILITIES:
        values = getattr(tree, name, None)
        if values is not None and np.issubdtype(values.dtype, np.inexact) and values.size:
            assert (values >= 0).all(), name
            axes = (-2, -1) if name == "joint" else -1
            np.testing.assert_allclose(values.sum(axis=axes), 1, atol=1e-4, err_msg=name)


def assert_societies(env, state):
    """Simple graphs with all their ties, counts that fit each other."""
    flat = jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]), state)
    matrices = checked(stack(jax.tree.map(jnp.asarray, flat.society))).matrices
    assert (matrices.sum(axis=(1, 2)) == 2 * env.num_ties).all(), "ties were lost or made"
    assert (matrices.any(axis=2) | (env.graph == "uniform")).all(), "a last neighbour was lost"
    pairs = [("rewires", "clock"), ("requests", "clock"), ("time", "clock")]
    for less, more in pairs if hasattr(state, "own_requests") else [*pairs, ("rewires", "time")]:
        excess = getattr(flat, less) - getattr(flat, more)
        assert (excess <= 0).all(), f"more {less} than {more}"


def fuzz_environment(env_id, arguments, seed, x64, sets):
    """Plays one static configuration with many sets of run-time values."""
    with jax.enable_x64(x64):
        env, _ = jaxrec.make(env_id, **arguments)
        rng = np.random.default_rng(seed)
        params = run_time_values(env, rng, sets)
        env.check_params(params, (sets,))
        chosen = rng.choice([None, *env.policies])
        policy = None if chosen is None else env.policy(chosen)
        played = play(env, jax.random.split(jax.random.key(seed), sets), params, policy)
        obs, state, *_, inside = played = jax.tree.map(np.asarray, played)
        assert_finite(played)
        assert_probabilities(obs)
        assert_probabilities(state)
        assert inside.all(), f"outside its space in sets {np.flatnonzero(~inside.all(axis=1))}"
        assert ((state.time >= 1) & (state.time <= STEPS)).all()
        if env_id in ("RewiringGame-v0", "RewiringMarket-v0"):
            assert_societies(env, state)


def runs_of(error):
    """Which a TrainingError names."""
    return set(json.loads(re.search(r"of runs (\[[\d, ]+\])", str(error))[1]))


def fuzz_agent(make, seed, x64, sets):
    """Trains one agent with many sets of hyper-parameters and environments; half are what anybody might choose."""
    with jax.enable_x64(x64):
        rng, tame = np.random.default_rng(seed), sets // 2
        agent = make()
        params = hyper_parameters(agent, rng, sets, tame), run_time_values(agent.env, rng, sets, tame)
        keys, refused = jax.random.split(jax.random.key(seed), sets), set()
        while True:  # without the runs of which it was said that they went wrong
            try:
                state = fit(Swept(agent), keys, params, num_chunks=3)
                break
            except TrainingError as error:
                runs = runs_of(error)
                if min(runs) < tame or refused & runs:
                    raise
                refused |= runs
                kept = np.where(np.isin(np.arange(sets), list(refused)), 0, np.arange(sets))
                params = jax.tree.map(lambda leaf, kept=kept: leaf[kept], params)
        if hasattr(state, "key"):
            state = state.replace(key=jax.random.key_data(state.key))
        assert_finite(jax.tree.map(np.asarray, state))


def assert_right_or_refused(work, *arguments):
    """An InputError says clearly that a configuration cannot be."""
    try:
        in_time(partial(work, *arguments))
    except jaxrec.InputError as error:
        event(f"refused: {error}")


seeds, environments, agents = st.integers(0, 2**31), list(ENVIRONMENTS), list(AGENTS)


HEAVY = ("RewiringGame-v0", "RewiringMarket-v0", "LearnedUsers-v0")  # each configuration compiles for 5 s


@pytest.mark.parametrize("env_id", [pytest.param(e, marks=[pytest.mark.slow] * (e in HEAVY)) for e in environments])
@fuzzed(2)
@given(data=st.data())
def test_environments(env_id, data):
    drawn = data.draw(ENVIRONMENTS[env_id]), data.draw(seeds), data.draw(st.booleans())
    assert_right_or_refused(fuzz_environment, env_id, *drawn, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", environments)
@fuzzed(30)
@given(data=st.data())
def test_environments_widely(env_id, data):
    drawn = data.draw(ENVIRONMENTS[env_id]), data.draw(seeds), data.draw(st.booleans())
    assert_right_or_refused(fuzz_environment, env_id, *drawn, MANY)


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent", ["QLearning", *(pytest.param(a, marks=pytest.mark.slow) for a in agents if a != "QLearning")]
)
@fuzzed(2)
@given(data=st.data())
def test_agents(agent, data):
    assert_right_or_refused(fuzz_agent, data.draw(AGENTS[agent]), data.draw(seeds), data.draw(st.booleans()), FEW)


@pytest.mark.slow
@pytest.mark.parametrize("agent", agents)
@fuzzed(16)
@given(data=st.data())
def test_agents_widely(agent, data):
    assert_right_or_refused(fuzz_agent, data.draw(AGENTS[agent]), data.draw(seeds), data.draw(st.booleans()), MANY)
