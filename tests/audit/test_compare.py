"""What an audit measures, on policies whose answers are known by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxrec
from jaxrec.agents import LSTM, NetworkPolicy, TabularPolicy
from jaxrec.audit import Apart, Samples, Served, Tampering, compare
from jaxrec.audit.distances import distance
from jaxrec.causal import Diagram
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.policy import Stateless

ENV = PolarisingUsers(horizon=3)
PARAMS = ENV.default_params.replace(population=np.array([[0.4, 0.1, 0.1]]), factor_low=1.1, factor_high=1.1)
NO_DIAGRAM = Diagram([("A", "R")], ["A"], ["R"])
LEFT, RIGHT = 0, 2


def always(*sources):
    """A stack of tables, each of which recommends one source alone."""
    tables = jnp.stack([jnp.zeros((ENV.num_observations, 3)).at[:, source].set(1.0) for source in sources])
    return TabularPolicy(tables, ENV, jnp.zeros(len(sources)))


def random_tables(key, seeds):
    return TabularPolicy(jax.random.uniform(key, (seeds, ENV.num_observations, 3)), ENV, jnp.zeros(seeds))


def audited(samples, path=("A", "R")):
    return Tampering(list(path), NO_DIAGRAM, samples)


def every_field(found):
    fields = [found.incentive, found.exploits, found.shift, found.harm.user, found.harm.society]
    return [*fields, *found.exploits_by_step, *(each for each in (found.direct, found.epistemic) if each)]


@pytest.mark.parametrize("seeds", [4, *(pytest.param(few, marks=pytest.mark.slow) for few in (1, 2))])
def test_the_same_policies_in_both_worlds_differ_in_nothing(seeds, key):
    policies = random_tables(key, seeds)
    found = audited(compare(ENV, policies, policies, key, episodes=50, initial=policies))
    for each in every_field(found):
        assert each.value == 0
        assert each.low in (0, None)
        assert each.high in (0, None)
    assert found.learnable is (None if seeds == 1 else False)


@pytest.mark.slow
def test_the_same_networks_with_memory_differ_in_nothing(key):
    network = LSTM(3, 4)
    obs, _ = ENV.reset(key)
    weights = jax.vmap(network.init, in_axes=(0, None, None))(jax.random.split(key, 3), network.initialize_carry(), obs)
    for greedy in (True, False):
        policies = NetworkPolicy(weights, network, greedy)
        found = audited(compare(ENV, policies, policies, key, episodes=20))
        assert [each.value for each in every_field(found)] == [0] * len(every_field(found))


@pytest.mark.slow
def test_worlds_that_differ_by_the_seed_alone_hold_zero(key):
    one, other = (random_tables(each, 10) for each in jax.random.split(jax.random.key(3)))
    found = audited(compare(ENV, one, other, key, episodes=400, initial=random_tables(key, 10)))
    wider = stats.t.ppf(0.9995, 9) / stats.t.ppf(0.975, 9)  # of 99.9 %: there are a dozen
    for each in every_field(found):
        assert abs(each.value) < wider * (each.high - each.value)
    assert found.learnable is False
    assert found.samples.actions.across.mean() > 0.5, "they do differ"


def test_left_against_right_by_hand(key):
    """The user is left-wing: three recommendations from the right raise 0.4 by 1.1 ** 3."""
    found = audited(compare(ENV, always(RIGHT, RIGHT), always(LEFT, LEFT), key, PARAMS, episodes=4000))
    polarised = 0.4 * 1.1**3 - 0.4
    assert found.exploits.value == 1
    assert [each.value for each in found.exploits_by_step] == [1, 1, 1]
    assert found.shift.value == pytest.approx(polarised, rel=1e-5)
    assert found.harm.society.value == pytest.approx(-polarised, rel=1e-5)
    assert found.harm.user.value == pytest.approx(0.1 - 0.4, rel=1e-5)
    assert found.incentive.value == pytest.approx(3 * (0.1 - 0.4), abs=0.05)


@pytest.mark.slow
def test_seeds_that_differ_within_a_world_are_noise(key):
    """Half of the factual policies go left as the others do: two of three pairs of them disagree."""
    found = audited(compare(ENV, always(RIGHT, RIGHT, LEFT, LEFT), always(*[LEFT] * 4), key, PARAMS, episodes=20))
    assert found.exploits.value == pytest.approx(1 / 2 - 2 / 3)
    polarised = 0.4 * 1.1**3 - 0.4
    assert found.shift.value == pytest.approx((1 / 2 - 2 / 3) * polarised, rel=1e-4)


@pytest.mark.slow
def test_a_third_policy_splits_the_incentive(key):
    """Paid for the centre: it earns what the left does not, and the two parts add up."""
    found = audited(compare(ENV, always(LEFT), always(RIGHT), key, PARAMS, episodes=4000, initial=always(LEFT)))
    assert found.direct.value == 0
    assert found.epistemic.value == found.incentive.value
    other = audited(compare(ENV, always(LEFT), always(RIGHT), key, PARAMS, episodes=4000, initial=always(RIGHT)))
    assert other.epistemic.value == 0
    assert other.direct.value == other.incentive.value


class Remembers(Stateless):
    """Goes right once it has seen `patience` observations in which the left was recommended; else left."""

    patience: object

    def init(self, key):
        return jnp.zeros((), jnp.int32)

    def probabilities(self, carry, obs):
        carry = carry + (obs[0] > 0)
        return jax.nn.one_hot(jnp.where(carry >= self.patience, RIGHT, LEFT), 3), carry

    def act(self, carry, obs, key):
        chances, carry = self.probabilities(carry, obs)
        return jnp.argmax(chances).astype(jnp.int32), carry


@pytest.mark.slow
def test_memory_is_replayed_on_what_the_acting_policy_saw(key):
    """pi_1 always goes left: at its third step pi_0, whose patience is 2, has seen that twice, and would go right."""
    env = PolarisingUsers(horizon=4)
    impatient, patient = (Remembers(jnp.full(2, patience)) for patience in (2, 99))
    samples = compare(env, patient, impatient, key, episodes=3)
    np.testing.assert_array_equal(samples.actions.across, np.broadcast_to([0, 0, 1, 1], (2, 2, 4)))
    other = compare(env, impatient, Remembers(jnp.array([0, 1])), key, episodes=3)
    np.testing.assert_array_equal(other.actions.across, [[[1, 1, 0, 0], [0, 1, 0, 0]]] * 2)


@pytest.mark.slow
def test_episodes_of_different_lengths_count_at_the_steps_that_they_take(key):
    env, params = jaxrec.make("RewiringGame-v0", num_users=6, degree=2)
    network = jaxrec.agents.Ranking(jaxrec.agents.NodeMLP((4,)), 4)
    weights = jax.vmap(network.init, in_axes=(0, None, None))(jax.random.split(key, 2), (), env.reset(key)[0])
    policies, others = NetworkPolicy(weights, network, False), NetworkPolicy(weights, network, True)
    samples = compare(env, policies, others, key, params, episodes=30, max_steps=12)
    assert (samples.visits[:, 0] == 1).all()
    assert (np.diff(samples.visits) <= 0).all()
    assert samples.visits.min() < 1
    assert ((samples.cut_off >= 0) & (samples.cut_off <= samples.visits[:, -1] + 1e-6)).all()
    assert (samples.actions.across <= 1 + 1e-6).all()
    assert np.isfinite(samples.users.across).all()


def made(across, visits, gain):
    """Measurements of three seeds whose worlds are without noise."""
    zeros = np.zeros(3)
    apart = Apart(np.broadcast_to(across, (3, 3, len(across))), *[np.zeros((3, 3, len(across)))] * 2)
    users = Apart(*[np.zeros((3, 3))] * 3)
    served = Served(np.asarray(gain, float), zeros, zeros), Served(zeros, zeros, zeros)
    return Samples(*served, None, apart, users, np.broadcast_to(visits, (3, len(visits))), zeros)


def test_a_step_that_few_episodes_take_weighs_little():
    found = audited(made([0.2, 1.0], [1.0, 0.25], [1, 1, 1]))
    assert found.exploits.value == pytest.approx((0.2 + 0.25) / 1.25)
    assert [each.value for each in found.exploits_by_step] == pytest.approx([0.2, 1.0])


def test_learnable_needs_both_a_path_and_a_gain():
    gain, chance = made([0.0], [1.0], [1, 1.1, 0.9]), made([0.0], [1.0], [1, -1.1, 0.9])
    assert audited(gain).learnable is True
    assert audited(chance).learnable is False
    assert dataclasses.replace(audited(gain), path=None).learnable is False
    assert "learnable (Definition 1)  yes" in str(audited(gain))
    assert "epistemic" not in str(audited(gain))


def test_distances_between_users():
    floats = distance((jnp.array([0.4, 0.1]),), (jnp.array([0.1, 0.5]),))
    np.testing.assert_allclose(floats, 0.5, rtol=1e-6)
    assert distance((jnp.int32(3),), (jnp.int32(35),)) == 1
    assert distance((jnp.int32(3),), (jnp.int32(3),)) == 0
    assert distance((jnp.array([0b1011, 0], jnp.uint32),), (jnp.array([0b0001, 1], jnp.uint32),)) == 3
    assert distance((jnp.int32(3), jnp.array([1.0])), (jnp.int32(4), jnp.array([3.0]))) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"episodes": 0}, "episodes must be an integer of at least 1"),
        ({"max_steps": 0}, "max_steps must be an integer of at least 1"),
        ({"decoupled": lambda: always(LEFT)}, "policies must be stacked along one leading axis of seeds"),
        ({"factual": Stateless()}, "factual must have init, act and probabilities"),
        ({"params": PARAMS.replace(influence=2.0)}, "influence must be within"),
        ({"key": 3}, "key must be"),
    ],
)
def test_bad_input_is_refused(changes, message, key, untyped):
    given = {"env": ENV, "factual": always(LEFT, RIGHT), "decoupled": always(LEFT, RIGHT), "key": key}
    given |= {name: value() if callable(value) else value for name, value in changes.items()}
    with pytest.raises(jaxrec.InputError, match=message):
        compare(**given)
