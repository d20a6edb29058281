"""PPO: probe environments with known answers, what it learns from, and what it refuses."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain, Clock, Cue, MaskedArms

import jaxrec
from benchmarks.gymnax_adapter import Gymnax
from jaxrec import EnvParams
from jaxrec.agents import LSTM, MLP, PPO, QLearning, VisitStep, losses, on_policy
from jaxrec.agents.on_policy import Batch
from jaxrec.training import fit
from jaxrec.wrappers import FlattenObservation, TimeLimit

FAST = {"num_envs": 32, "num_steps": 8, "learning_rate": 5e-3, "ent_coef": 0.0, "num_minibatches": 4}


def learner(env, steps=20_000, network=None, **changes):
    return PPO(env, network or MLP(env.num_actions, (16,)), steps, **(FAST | changes))


def trained(agent, seed=0):
    state, metrics = jax.jit(agent.train)(jax.random.key(seed), agent.env.default_params)
    return state, metrics


def value(agent, state, obs):
    return agent.network.apply(state.network_params, agent.network.initialize_carry(), obs)[2]


def test_probe_of_discounting():
    """The last step is also the probe of a constant reward."""
    agent = learner(Clock(3), gamma=0.5)
    state, _ = trained(agent)
    for time, worth in enumerate((1.75, 1.5, 1.0)):
        assert value(agent, state, jax.nn.one_hot(time, 3)) == pytest.approx(worth, abs=0.05)


def test_probe_of_truncation():
    """A clock that stands still pays 1 for ever; cut off from outside, it is worth 1 / (1 - gamma) all the same."""
    agent = learner(TimeLimit(Clock(10**6), 4), gamma=0.75, network=MLP(2, (16,)), steps=40_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "observe", lambda self, state, params: jnp.ones(1))
        patch.setattr(Clock, "observation_space", lambda self, params=None: jaxrec.spaces.Box(0, 1, (1,)))
        state, _ = trained(agent)
    assert value(agent, state, jnp.ones(1)) == pytest.approx(4, abs=0.15)


@pytest.mark.parametrize("limit", [1, *(pytest.param(limit, marks=pytest.mark.slow) for limit in (4, 7))])
def test_targets_hold_the_value_of_the_true_final_observation(limit):
    """Every step, some, or none of a batch is cut off: more of them than one block holds, and none at all."""
    env = TimeLimit(Clock(20), limit)
    agent = learner(env, gamma=0.5, gae_lambda=0.0, num_envs=3, num_steps=6, num_minibatches=1)

    def collected(key):
        state = agent.init(key, env.default_params)
        return state, agent.experience(state, env.default_params)

    states, samples = jax.jit(jax.vmap(collected))(jax.random.split(jax.random.key(0), 2))
    for seed in range(2):
        state = jax.tree.map(lambda leaf, seed=seed: leaf[seed], states)
        for step, targets in enumerate(samples.target[seed]):
            led_to = jax.nn.one_hot(step % limit + 1, 20)  # not the start that followed a cut
            np.testing.assert_allclose(targets, 1 + 0.5 * value(agent, state, led_to), rtol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_values_where_episodes_were_cut_off_here_and_there(share):
    """Also where those of the last block are fewer than it holds: no place beside theirs gets a value."""
    agent = learner(TimeLimit(Clock(5), 9), num_envs=8, num_steps=12)
    rng = np.random.default_rng(0)
    state = agent.init(jax.random.key(0), agent.env.default_params)
    obs, truncated = jnp.asarray(rng.normal(size=(12, 8, 5))), jnp.asarray(rng.random((12, 8)) < share)
    of_each = jax.vmap(jax.vmap(partial(value, agent, state)))(obs)
    found = jax.jit(partial(on_policy.final_values, agent.network))(state.network_params, ((), obs), truncated)
    np.testing.assert_allclose(found, np.where(truncated, of_each, 0), rtol=1e-5)


@pytest.mark.slow
def test_probe_of_actions_and_observations_and_a_sweep_by_vmap():
    agent = learner(Cue(1))
    params = agent.env.default_params

    def train(rate):
        return agent.replace(learning_rate=rate, learning_rate_end=rate).train(jax.random.key(0), params)

    states, metrics = jax.jit(jax.vmap(train))(jnp.array([0.0, 5e-3]))
    still, learned = metrics["episode_return"][:, -1]
    assert still < 0.7
    assert learned > 0.95
    policy = agent.policy(jax.tree.map(lambda leaf: leaf[1], states))
    for cue in (0, 1):
        assert policy.act((), jnp.append(jax.nn.one_hot(cue, 2), 1.0), jax.random.key(0))[0] == cue


@pytest.mark.slow
def test_probe_of_delayed_reward_and_unequal_episodes():
    agent = learner(Chain(), 40_000, gamma=0.9)
    state, _ = trained(agent)
    for place, worth in enumerate((0.9**2 - 0.1 * (1 + 0.9 + 0.9**2), 0.9 - 0.1 * 1.9, 0.9)):
        obs = jnp.asarray(place, jnp.int32)
        assert agent.policy(state).act((), obs, jax.random.key(0))[0] == 1
        assert value(agent, state, obs) == pytest.approx(worth, abs=0.05)


def test_probe_of_memory():
    """At the end nothing tells what was shown at the start: half would be right without memory."""
    _, metrics = trained(learner(Cue(4), 20_000, LSTM(2, 16)))
    assert metrics["episode_return"][-5:].mean() > 0.95


def test_probe_of_masks():
    agent = learner(MaskedArms())
    state, metrics = trained(agent)
    assert metrics["reward"].min() >= 0, "an invalid arm was never pulled"
    for cue, best in ((0, 2), (1, 1)):
        obs = jax.tree.map(jnp.asarray, MaskedArms().observe(masked_arms(cue), None))
        assert agent.policy(state).act((), obs, jax.random.key(0))[0] == best


def masked_arms(cue):
    _, state = MaskedArms().reset(jax.random.key(0))
    return state.replace(cue=jnp.asarray(cue, jnp.int32))


def loss_of(agent):
    """(weights, samples, entropy's weight) -> loss and its parts of a whole batch, all of it asked for."""

    def loss(network_params, samples, ent_coef):
        count = samples.value.size
        return agent._loss(network_params, samples, ent_coef, (jnp.asarray(count, float), count))

    return loss


def test_where_nothing_is_asked_the_policy_does_not_move():
    agent = learner(MaskedArms(asks=False), 2_000)
    before = agent.init(jax.random.key(0), agent.env.default_params)
    _, samples, _ = jax.jit(agent._collect)(before, agent.env.default_params, 0, jax.random.key(1))
    slopes, _ = jax.jit(jax.grad(loss_of(agent), has_aux=True))(before.network_params, samples, jnp.ones(()))
    of_policy, of_value = (jax.tree.map(jnp.abs, slopes["params"][f"Dense_{i}"]["kernel"]).sum() for i in (1, 3))
    assert of_policy == 0
    assert of_value > 0, "but the value does"


class AsksInHalf(MaskedArms):
    """Asks in the games with cue 1 alone, and has the cue as a metric."""

    def observe(self, state, params):
        return super().observe(state, params).replace(requested=state.cue == 1)

    def metrics(self, state, action, next_state, params):
        return {"cue": state.cue}


@pytest.mark.slow
def test_what_is_tracked_is_a_mean_over_all_steps_that_asked():
    """With two games a step, in a quarter of the steps none asks: they count for nothing, not as 0."""
    _, metrics = trained(learner(AsksInHalf(), 2_000, num_envs=2, log_metrics=("cue",)))
    np.testing.assert_allclose(metrics["cue"], 1.0, rtol=1e-6)


@pytest.mark.slow
def test_recurrent_memory_is_that_of_the_rollout():
    """What the loss computes over a sequence is what acting computed: the ratio of probabilities begins at 1."""
    agent = learner(Cue(3), network=LSTM(2, 8))
    params = agent.env.default_params
    state = agent.init(jax.random.key(0), params)
    collect, loss = jax.jit(agent._collect), jax.jit(loss_of(agent))
    for batch in range(2):
        state, samples, _ = collect(state, params, batch, jax.random.key(batch))
        _, parts = loss(state.network_params, samples, jnp.zeros(()))
        assert parts[losses.PARTS.index("approximate_kl")] < 1e-8
    assert isinstance(samples, Batch)
    assert samples.is_first[:, 0].tolist() == [(8 + t) % 3 == 0 for t in range(8)]


@pytest.mark.slow
def test_hyper_parameters_are_swept_in_float64():
    """Where they are float64 and weights float32."""
    with jax.enable_x64(True):
        agent = learner(Cue(1), steps=512)
        swept = jax.vmap(lambda rate, norm: agent.replace(learning_rate=rate, max_grad_norm=norm))
        agents = swept(jnp.array([1e-3, 0.0]), jnp.array([0.5, 0.5]))
        keys = jnp.stack([jax.random.key(0)] * 2)
        states, _ = jax.jit(jax.vmap(lambda agent, key: agent.train(key, EnvParams())))(agents, keys)
        start = agent.init(jax.random.key(0), EnvParams())
        for before, after in zip(
            jax.tree.leaves(start.network_params), jax.tree.leaves(states.network_params), strict=True
        ):
            assert before.dtype == after.dtype == jnp.float32


@pytest.mark.slow
def test_fit_equals_train_and_compiles_once():
    agent = learner(Cue(2), 4_000)
    keys = jax.random.split(jax.random.key(0), 2)
    params = jaxrec.batched(agent.env.default_params, 2)
    whole, _ = jax.jit(jax.vmap(agent.train))(keys, params)
    rows = []
    chunked = fit(agent, keys, params, num_chunks=4, on_metrics=lambda batch, metrics: rows.append(metrics))
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), whole.network_params, chunked.network_params
    )
    assert len(rows) == 4
    chex.assert_tree_all_finite((chunked.network_params, rows))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_minibatches": 3}, "num_minibatches must divide num_envs \\* num_steps=256, got 3"),
        ({"network": LSTM(2), "num_minibatches": 64}, "num_minibatches must divide num_envs=32"),
        ({"network": MLP(3)}, "logits of shape \\(2,\\)"),
        ({"num_envs": 0}, "num_envs"),
        ({"network": "mlp"}, "network must have is_recurrent, initialize_carry, init, apply, .* got 'mlp'"),
        ({"log_metrics": ("earning",)}, "unknown metric of Cue 'earning'. Did you mean 'earned'"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(jaxrec.InputError, match=message):
        learner(Cue(1), **changes)


@pytest.mark.slow
def test_a_start_within_episodes_that_all_end_together_is_refused():
    agent = learner(Cue(3), 768, num_envs=32, num_steps=8)
    keys, params = jax.random.split(jax.random.key(0), 2), jaxrec.batched(agent.env.default_params, 2)
    begun = fit(agent, keys, params, state=jax.jit(jax.vmap(agent.init))(keys, params))  # 24 steps: at an end
    within = jax.jit(jax.vmap(lambda state: agent.advance(state, agent.env.default_params, 0, 1)[0]))(begun)
    with pytest.raises(jaxrec.InputError, match="state must be at the start of an episode in Cue"):
        fit(agent, keys, params, state=within)
    fit(agent, keys, params, state=begun)


def test_bad_hyper_parameters_are_refused():
    for changes in ({"learning_rate": jnp.inf}, {"max_grad_norm": 0.0}, {"reward_scale": 1e39}):
        with pytest.raises(jaxrec.InputError, match=next(iter(changes))):
            learner(Cue(1), **changes).check()
    agent = learner(Cue(1), gamma=1.5)
    with pytest.raises(jaxrec.InputError, match="gamma"):
        agent.init(jax.random.key(0), agent.env.default_params)


def test_a_structured_observation_can_be_learned_from_flat():
    env = FlattenObservation(MaskedArms())
    agent = learner(env, 2_000)
    params = env.default_params
    state = jax.jit(agent.init)(jax.random.key(0), params)
    _, samples, _ = jax.jit(agent._collect)(state, params, 0, jax.random.key(0))
    assert samples.obs.shape == (8, 32, 4)


@pytest.mark.slow
def test_cart_pole_is_solved():
    """gymnax's CartPole-v1 within half a million steps: at least 475 of 500, the mean of 10 seeds."""
    env = Gymnax("CartPole-v1")
    agent = PPO(env, MLP(2, (64, 64)), 500_000, num_envs=16, num_steps=128, learning_rate=1e-3, ent_coef=0.01)
    keys = jax.random.split(jax.random.key(0), 10)
    states, _ = jax.jit(jax.vmap(agent.train, in_axes=(0, None)))(keys, env.default_params)

    def score(state):
        return jaxrec.rollout(env, agent.policy(state), jax.random.key(1), 32, 500).episode_return.mean()

    scores = jax.vmap(score)(states)
    assert scores.mean() >= 475, scores


@pytest.mark.slow
def test_polarising_users_are_learned_as_well_as_by_a_table():
    """PolarisingUsers-v0: clicks an episode at or above those of tabular Q-learning of a comparable budget."""
    env, params = jaxrec.make("PolarisingUsers-v0")
    table = QLearning(env, 15_000_000, num_steps=30, step_size=VisitStep(4.0), td_lambda=0.6, epsilon_end=0.0)
    network = PPO(
        env, MLP(3, (64, 64)), 6_000_000, num_envs=256, num_steps=30, num_minibatches=8, gamma=1.0, learning_rate=2e-3
    )
    played = []
    for agent in (table, network):
        state, _ = jax.jit(agent.train)(jax.random.key(0), params)
        played.append(jaxrec.rollout(env, agent.policy(state), jax.random.key(1), 8192, 30).episode_return)
    tabular, neural = map(np.asarray, played)
    error = np.sqrt((tabular.var() + neural.var()) / tabular.size)
    assert neural.mean() > tabular.mean() - 3 * error, (neural.mean(), tabular.mean())
