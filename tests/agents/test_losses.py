"""Advantages, losses and the order of minibatches, by hand."""

from functools import partial

import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import MaskedArms

from jaxrec.agents import losses
from jaxrec.agents.distributions import Categorical
from jaxrec.agents.masks import distribution


def test_advantages_by_hand():
    """Three steps, gamma 0.5, lambda 0.5; errors are 1 + 0.5 V' - V."""
    estimate = partial(losses.generalised_advantages, gamma=0.5, gae_lambda=0.5)
    rewards, values, following = jnp.ones(3), jnp.array([1.0, 2.0, 3.0]), jnp.array([2.0, 3.0, 4.0])
    never = jnp.zeros(3, bool)
    errors = np.array([1.0, 0.5, 0.0])
    plain = [errors[0] + errors[1] / 4 + errors[2] / 16, errors[1] + errors[2] / 4, errors[2]]
    np.testing.assert_allclose(estimate(rewards, values, following, never, never), plain)
    middle = jnp.array([False, True, False])
    # Terminated: nothing follows, error 1 - 2. Truncated: the value of the last state does. Both cut the trace.
    np.testing.assert_allclose(estimate(rewards, values, following, middle, never), [1 - 1 / 4, -1.0, 0.0])
    np.testing.assert_allclose(estimate(rewards, values, following, never, middle), [1 + 0.5 / 4, 0.5, 0.0])


def test_advantages_with_trace_1_are_returns_less_values():
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=6), rng.normal(size=6)
    following = np.append(values[1:], 7.0)
    returns = [sum(0.9 ** (j - i) * rewards[j] for j in range(i, 6)) + 0.9 ** (6 - i) * 7 for i in range(6)]
    advantages = losses.generalised_advantages(
        *map(jnp.asarray, (rewards, values, following)), jnp.zeros(6, bool), jnp.zeros(6, bool), 0.9, 1.0
    )
    np.testing.assert_allclose(advantages, np.array(returns) - values, rtol=1e-5)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),
        (1.5, 2.0, -2.4, 0.0),  # gone far enough: no more is gained
        (0.5, 2.0, -1.0, -1.0),
        (1.5, -2.0, 3.0, 3.0),
        (0.5, -2.0, 1.6, 0.0),
    ],
)
def test_policy_loss_by_hand(ratio, advantage, loss, slope):
    given, gradient = jax.value_and_grad(losses.clipped_policy_loss)(jnp.log(ratio), jnp.array(advantage), 0.2)
    assert given == pytest.approx(loss, rel=1e-5)
    assert gradient == pytest.approx(slope, rel=1e-5)


def test_value_loss_by_hand():
    loss = losses.clipped_value_loss
    assert loss(jnp.array(3.0), jnp.array(1.0), jnp.array(5.0), jnp.inf) == 2.0
    assert loss(jnp.array(3.0), jnp.array(1.0), jnp.array(5.0), 0.5) == 0.5 * 3.5**2
    assert loss(jnp.array(3.0), jnp.array(1.0), jnp.array(0.0), 0.5) == 4.5, "the larger of the two"


def test_steps_without_weight_do_not_count():
    values, weights = jnp.array([1.0, 3.0, 100.0]), jnp.array([1.0, 1.0, 0.0])
    assert losses.weighted_mean(values, weights) == 2
    assert losses.weighted_mean(values, 0 * weights) == 0
    np.testing.assert_allclose(losses.normalised(values, weights)[:2], [-1, 1], rtol=1e-6)


def test_masked_actions_have_probability_0_and_finite_gradients():
    obs = MaskedArms().reset(jax.random.key(1))[0]
    for mask, probabilities in (([True, False, True], [0.5, 0.0, 0.5]), ([False] * 3, [1 / 3] * 3)):
        masked = obs.replace(action_mask=jnp.array(mask))
        chosen = distribution(jnp.zeros(3), masked)
        np.testing.assert_allclose(jnp.exp(chosen.logs), probabilities, rtol=1e-6)
        np.testing.assert_allclose(
            chosen.entropy(), distrax.Categorical(probs=jnp.array(probabilities)).entropy(), rtol=1e-5
        )
        slope = jax.grad(lambda logits, masked=masked: distribution(logits, masked).entropy())(jnp.arange(3.0))
        assert np.isfinite(slope).all()


def test_actions_are_those_of_distrax(key):
    logits = 3 * jax.random.normal(key, (50, 4))
    ours, theirs = Categorical.of(logits), distrax.Categorical(logits=logits)
    drawn, logs = ours.sample_and_log_prob(jax.random.key(1))
    np.testing.assert_array_equal(drawn, theirs.sample(seed=jax.random.key(1)))
    np.testing.assert_allclose(logs, theirs.log_prob(drawn), rtol=1e-5)
    np.testing.assert_allclose(ours.entropy(), theirs.entropy(), rtol=1e-4)
    slopes = (
        jax.grad(lambda logits, of=of: (of(logits).entropy() + of(logits).log_prob(drawn)).sum())(logits)
        for of in (Categorical.of, lambda logits: distrax.Categorical(logits=logits))
    )
    np.testing.assert_allclose(*slopes, rtol=1e-4, atol=1e-5)
