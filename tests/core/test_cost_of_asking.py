"""What a question costs decides in the wrapper itself: at nothing values are as good as known, at most nobody asks."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from kitchen import ENV, HORIZON, PARAMS, PRIOR, VALUES

import jaxrec


def planned_inside(params):
    """(value, first action) of the best play at the prior, and of one who has answered: by the wrapper's own steps.

    Answers are certain, so that a step of a user of each kind is all that can happen to a belief.
    """
    step = jax.jit(jax.vmap(ENV.step_env, in_axes=(None, 0, 0, None)))
    _, start = ENV.reset_env(jax.random.key(0), params)

    def plan(posterior, time):
        if time == HORIZON:
            return 0.0, None
        both = [(kind, action) for kind in range(2) for action in range(4)]
        state = start.replace(
            posterior=jnp.asarray(posterior, jnp.float32), env=start.env.replace(time=jnp.int32(time))
        )
        states = jax.tree.map(lambda leaf: jnp.stack([leaf] * len(both)), state)
        kinds, actions = (jnp.asarray(each, jnp.int32) for each in zip(*both, strict=True))
        _, after, paid, _, _ = step(jax.random.key(time), states.replace(kind=kinds), actions, params)
        worth = np.zeros(4)
        for row, (kind, action) in enumerate(both):
            if posterior[kind] > 0:
                later = plan(tuple(np.asarray(after.posterior[row]).tolist()), time + 1)[0]
                worth[action] += posterior[kind] * (float(paid[row]) + later)
        return worth.max(), int(worth.argmax())

    return plan(tuple(PRIOR.tolist()), 0), [plan((1.0 - kind, float(kind)), 0) for kind in range(2)]


def test_in_the_wrapper_who_pays_too_much_never_asks_and_who_pays_nothing_has_the_optimum_of_known_values():
    """But for the step that the question takes; who was asked before has all of it, and asks no more."""
    known, mean = [max(0.0, *row) for row in VALUES], max(0.0, *(PRIOR @ VALUES))
    free, told = planned_inside(PARAMS.replace(noise=0.0, cost=0.0))
    assert free == (pytest.approx((HORIZON - 1) * PRIOR @ known), 3)
    for kind, (value, action) in enumerate(told):
        assert (value, action) == (pytest.approx(HORIZON * known[kind]), 1 + int(VALUES[kind].argmax()))
    dear, _ = planned_inside(PARAMS.replace(noise=0.0, cost=1e6))
    assert dear == (pytest.approx(HORIZON * mean), 1 + int((PRIOR @ VALUES).argmax()))


def test_a_play_in_the_wrapper_earns_the_optimum_of_known_values_once_answers_are_free_or_given():
    """User by user: the dish that its kind likes best, or none, in each step but that of the question."""
    known = np.maximum(VALUES.max(axis=1), 0)

    class AsksOnce(struct.PyTreeNode):
        asks: Any

        def init(self, key):
            return ()

        def act(self, carry, obs, key):
            worth = jnp.concatenate([jnp.zeros(1), obs.posterior @ VALUES])
            return jnp.where(self.asks & (obs.observed == 0), 3, jnp.argmax(worth)).astype(jnp.int32), carry

    for asks, told, cost, steps in ((True, 0.0, 0.0, HORIZON - 1), (False, 1.0, 1e6, HORIZON)):
        params = PARAMS.replace(noise=0.0, cost=cost, told=told)
        played = jaxrec.rollout(ENV, AsksOnce(jnp.asarray(asks)), jax.random.key(0), 500, HORIZON, params,
                                trajectory=True)  # fmt: skip
        kind = np.asarray(played.trajectory.state.kind[0])
        np.testing.assert_allclose(played.episode_return, steps * known[kind], atol=1e-5)
    policy, params = AsksOnce(jnp.asarray(False)), PARAMS.replace(noise=0.0, cost=1e6)
    blind = np.asarray(jaxrec.rollout(ENV, policy, jax.random.key(0), 20_000, HORIZON, params).episode_return)
    expected = HORIZON * max(0.0, *(PRIOR @ VALUES))
    assert abs(blind.mean() - expected) < 4 * blind.std() / np.sqrt(len(blind))
