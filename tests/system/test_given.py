"""What was given is what is used: parameters and settings, by every entry point and constructor."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import MLP, PPO
from jaxrec.cli import main
from jaxrec.envs.learned import BeliefTransformer, Deployed, DeployedParams, LearnedUsers
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.estimation import future_preferences
from jaxrec.policy import Stateless
from jaxrec.training import fit
from jaxrec.wrappers import SafeShifts

SMALL = {
    "PolarisingUsers-v0": {"horizon": 6},
    "RewiringGame-v0": {"num_users": 6, "degree": 2, "rules": "learning"},
    "RewiringMarket-v0": {"num_users": 6, "degree": 2},
    "PreferenceShift-v0": {"horizon": 4},
    "LearnedUsers-v0": {"horizon": 3, "network": BeliefTransformer(4, 1, 1, 1)},
}


def small(env_id, **changes):
    return jaxrec.make(env_id, **SMALL[env_id] | changes)


class Fixed(Stateless):
    """One slate, always."""

    slate: object

    def act(self, carry, obs, key):
        return jnp.asarray(self.slate, jnp.int32), carry


@pytest.mark.slow
def test_anticipated_preferences_read_influence(key):
    """At influence 0 what is shown changes nothing, as in `rollout`; at 1 it does; in between less."""
    env, params = small("LearnedUsers-v0")
    noise = jax.tree.map(lambda leaf: leaf + jax.random.normal(jax.random.key(3), leaf.shape), params.weights)
    params = params.replace(weights=noise)

    def apart(influence):
        world = params.replace(influence=influence)
        one, other = (future_preferences(env, Fixed(slate), key, world, samples=64) for slate in (0, 3))
        return float(np.abs(one.preferences - other.preferences)[0, -1].sum())

    def moved(influence):
        world = params.replace(influence=influence)
        one, other = (
            jaxrec.rollout(env, Fixed(slate), key, 64, 3, world, trajectory=True).trajectory.state.current[-1].mean(0)
            for slate in (0, 3)
        )
        return float(np.abs(one - other).sum())

    assert apart(0.0) == moved(0.0) == 0
    assert 0 < apart(0.3) < apart(1.0)
    assert apart(1.0) == pytest.approx(moved(1.0), rel=0.5)


@pytest.mark.slow
def test_a_known_past_is_remembered_as_it_was(key):
    """Influence concerns what is simulated: what a user was really shown is not mixed away."""
    env, params = small("LearnedUsers-v0")
    noise = jax.tree.map(lambda leaf: leaf + jax.random.normal(jax.random.key(3), leaf.shape), params.weights)
    world = params.replace(weights=noise, influence=0.0)
    slates = env.slates[jnp.array([[0, 1], [3, 4]])]
    past = jaxrec.estimation.Logs(
        valid=jnp.ones((2, 2), bool), policy=jnp.zeros(2, jnp.int32), policies=("a",), slates=slates,
        choices=jnp.array([[2, 8], [20, 26]]),
    )  # fmt: skip
    found = future_preferences(env, Fixed(0), key, world, past, samples=8).preferences
    assert not np.allclose(found[0, 2], found[1, 2])


def deployed():
    model = LearnedUsers(horizon=4, network=BeliefTransformer(4, 1, 1, 1))
    return Deployed(users=PreferenceShift(horizon=4, observe_as="state"), model=model, reward="penalised")


@pytest.mark.slow
def test_safe_shifts_around_deployed_judge_as_the_users_do(key):
    """The item that the user chose, under the preferences of its twins: what the users' own metrics say."""
    env = SafeShifts(deployed())
    params = env.default_params
    played = jaxrec.rollout(env, env.policy("random", params), key, 64, 4, params).per_env
    np.testing.assert_allclose(played["safe_0"], played["engagement_initial"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(played["safe_1"], played["engagement_natural"], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_deployed_uses_its_own_influence_everywhere(key):
    env = deployed()
    params = env.default_params.replace(influence=0.0)
    played = jaxrec.rollout(env, env.policy("random", params), key, 32, 4, params, trajectory=True).trajectory
    np.testing.assert_array_equal(played.next_state.user.preference, played.next_state.user.natural)
    assert isinstance(params, DeployedParams)
    for name in env.policies:
        assert env.policy(name, params) is not None
    assert env.render(played[:, 0], params).axes


@pytest.mark.parametrize("env_id", ["PolarisingUsers-v0", pytest.param("RewiringGame-v0", marks=pytest.mark.slow)])
def test_every_parameter_reaches_every_entry_point(env_id, key, capsys, monkeypatch):
    """One parameter after the other: what the entry point runs has it."""
    env, params = small(env_id)
    seen = []

    class Spy(type(env)):
        def transition(self, key, state, action, params):
            jax.debug.callback(lambda p: seen.append(jax.tree.map(np.asarray, p)), params)
            return super().transition(key, state, action, params)

    spy = dataclasses.dataclass(unsafe_hash=True)(Spy)(**SMALL[env_id])
    monkeypatch.setattr("jaxrec.experiments.runs.worlds.make", lambda env_id, **_: (spy, spy.default_params))
    policy = spy.policy(next(iter(spy.policies)))
    names = [field.name for field in dataclasses.fields(params) if field.name not in ("reward_weights", "population")]
    for name in names:
        value = 3 if name == "time_limit" else float(np.asarray(getattr(params, name)) * 0.99 + 0.001)
        if name == "influence":
            value = 0.25
        given = params.replace(**{name: value})
        agent = PPO(spy, MLP(spy.num_actions, (2,)), 8, num_envs=2, num_steps=2, num_minibatches=1, num_epochs=1)
        _, state = env.reset(key, given)
        runs = {
            "rollout": lambda given=given: jaxrec.rollout(spy, policy, key, 2, 2, given),
            "evaluate": lambda given=given: jaxrec.evaluate(spy, policy, key, 2, given, max_steps=3),
            "step": lambda given=given, state=state: spy.step(key, state, 0, given),
            "fit": lambda given=given, agent=agent: fit(agent, key[None], jaxrec.batched(given, 1), num_chunks=1),
            "command": lambda name=name, value=value: main(
                ["rollout", env_id, "--num-envs", "2", "--num-steps", "3", "--json", "--params", name, str(value)]
            ),
        }
        for entry, run in runs.items():
            seen.clear()
            jax.block_until_ready(run())
            jax.effects_barrier()
            assert seen, entry
            assert all(np.allclose(getattr(one, name), value, rtol=1e-6) for one in seen), (entry, name)
    capsys.readouterr()


HEAVY = [env if env == "PolarisingUsers-v0" else pytest.param(env, marks=pytest.mark.slow) for env in SMALL]


@pytest.mark.slow
@pytest.mark.parametrize("env_id", HEAVY)
def test_every_constructor_argument_changes_what_comes_out(env_id, key):
    """Another value of one argument: another environment, and other shapes, rewards, observations or dynamics."""
    changes = {
        "PolarisingUsers-v0": {"horizon": 5, "factor_per": "episode", "reward": "aligned"},
        "RewiringGame-v0": {
            "num_users": 8, "degree": 3, "rules": "carvalho", "graph": "uniform", "observe_as": "graphs_tuple",
            "max_wait": 1, "reward": "aligned",
        },
        "RewiringMarket-v0": {
            "num_users": 8, "degree": 3, "rules": "santos", "graph": "uniform", "observe_as": "graphs_tuple",
            "max_wait": 1, "reward": "aligned", "rivals": ("bad",), "exclusive": True, "learners": 2,
        },
        "PreferenceShift-v0": {
            "horizon": 3, "slate_means": (0.0, 90.0), "slate_deviations": 20.0, "counts": "click",
            "observe_as": "choices",
            "paid_for": "sampled", "reward": "aligned",
        },
        "LearnedUsers-v0": {
            "horizon": 2, "slate_means": (0.0, 90.0), "slate_deviations": 20.0, "counts": "click",
            "observe_as": "choices", "reward": "aligned", "network": BeliefTransformer(6, 1, 1, 1),
        },
    }[env_id]  # fmt: skip

    def behaviour(env):
        played = jaxrec.rollout(env, env.policy("random"), key, 16, 24, trajectory=True)
        kept = played.per_env, played.episodes, played.trajectory.obs
        return [np.asarray(leaf, float) for leaf in jax.tree.leaves(kept)]

    base, _ = small(env_id)
    usual = behaviour(base)
    for name, value in changes.items():
        env, _ = small(env_id, **{name: value})
        assert env != base
        changed = behaviour(env)
        same = len(changed) == len(usual) and all(
            a.shape == b.shape and np.array_equal(a, b, equal_nan=True) for a, b in zip(usual, changed, strict=True)
        )
        assert not same, f"{name} changes nothing"


def test_lists_and_arrays_are_settings_as_tuples_are(key, untyped):
    tuples = PreferenceShift(slate_means=(0.0, 90.0), slate_deviations=(30.0, 60.0))
    for means in ([0.0, 90.0], np.array([0.0, 90.0]), jnp.array([0.0, 90.0])):
        env = PreferenceShift(slate_means=means, slate_deviations=[30.0, 60.0])
        assert env == tuples
        assert hash(env) == hash(tuples)
        env.reset(key)
    items = np.eye(36)[:2]
    assert PreferenceShift(slate_items=items.tolist()) == PreferenceShift(slate_items=tuple(map(tuple, items.tolist())))
    safe = SafeShifts(PolarisingUsers(reward="penalised"), ["initial"], [1.0])
    assert safe == SafeShifts(PolarisingUsers(reward="penalised"), ("initial",), (1.0,))
    safe.reset(key)
    agent = PPO(PolarisingUsers(), MLP(3, [4]), 64, num_envs=4, num_steps=4, log_metrics=["opposed"])
    assert hash(jax.tree.structure(agent)) == hash(jax.tree.structure(agent.replace(log_metrics=("opposed",))))


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        ("PreferenceShift-v0 --args slate_means [0,90]", "slate_means", (0, 90)),
        ("RewiringGame-v0 --args any_payoffs false num_users 6 degree 2", "any_payoffs", False),
        ("RewiringGame-v0 --args any_payoffs True num_users 6 degree 2", "any_payoffs", True),
    ],
)
def test_words_and_lists_on_the_command_line(argv, name, value, monkeypatch):
    found = []
    monkeypatch.setattr("jaxrec.cli.rollouts.evaluate", lambda env, *_, **__: found.append(env) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["rollout", *argv.split()])
    assert getattr(found[0], name) == value


@pytest.mark.parametrize("word", ["inf", "Infinity", "1e999"])
def test_infinity_is_a_number_on_the_command_line(word, monkeypatch):
    found = []
    monkeypatch.setattr(
        "jaxrec.cli.rollouts.evaluate", lambda env, policy, key, n, params, *_, **__: found.append(params) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        main(["rollout", "RewiringGame-v0", "--params", "timescale", word, "reward_weights.user", "2"])
    assert found[0].timescale == np.inf
    assert found[0].reward_weights.user == 2
