"""Beliefs: what is inferred from what, and what must not depend on what."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learned_oracle import MODEL, NETWORK, PEOPLE, STEPS, TRUTH, UNIFORM, USERS, play

from jaxrec.envs.learned import (
    BeliefTransformer,
    inference,
)
from jaxrec.envs.preference import dynamics


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


@jax.jit
def looking_both_ways(weights, memory):
    """Beliefs in the initial preference from later steps, of a bidirectional network."""
    return inference.initial_from_later(NETWORK.clone(bidirectional=True), weights, memory)


@pytest.mark.parametrize("step", range(1, STEPS))
def test_a_bidirectional_network_believes_after_all_steps(rough, step):
    """A later choice changes all that is believed, from the first position on; step 0 stays masked."""
    memory = memory_of()
    other = memory.replace(likelihood=changed(memory, step).likelihood)
    before, after = (looking_both_ways(rough.weights.initial, each) for each in (memory, other))
    assert (np.abs(before - after).max(axis=1) > 1e-4).all()
    np.testing.assert_allclose(np.exp(before).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(before, looking_both_ways(rough.weights.initial, changed(memory, 0)))


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


def test_without_influence_beliefs_go_the_same_way_whatever_is_shown(rough, key):
    for influence, same in ((0.0, True), (1.0, False)):
        params = rough.replace(influence=influence)
        (seen, one, *_), (_, two, *_) = (play(MODEL, key, a, params) for a in ([0, 1, 2, 0], [2, 0, 1, 1]))
        for name in ("memory", "initial", "current", "natural"):
            for a, b in zip(*(jax.tree.leaves(getattr(state, name)) for state in (one, two)), strict=True):
                assert np.array_equal(a, b) == same, (influence, name)
        np.testing.assert_allclose(seen.slate[1:], USERS.slates[np.array([0, 1, 2, 0])], rtol=1e-6)


@pytest.mark.parametrize("slate", [0, UNIFORM, -1])
def test_likelihoods_of_strict_users_are_no_nan(slate):
    """exp(beta_c) leaves float32; what nobody would choose is still no reason to believe nothing."""
    strict = TRUTH.replace(choice_heights=np.array([300.0, 500.0], np.float32))
    users, shown = dynamics.users_of(strict), [*USERS.slates, jnp.eye(36)[20]][slate]
    every = jax.vmap(inference.likelihood, in_axes=(None, 0, None))(shown, jnp.arange(36), users)
    np.testing.assert_allclose(every.T, dynamics.choices(shown, users), rtol=1e-4, atol=1e-37)
    assert (every > 0).all()
