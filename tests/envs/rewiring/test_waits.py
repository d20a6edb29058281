"""All time-steps of a wait together, as a GPU computes them: against one after the other."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.envs.rewiring import RewiringGame, requests, rules
from jaxrec.envs.rewiring.meetings import WORDS_PER_STEP

AVERAGE = rules.Rules("own", "clipped", "none", "neighbour", "either", "half", 1, "average")
EITHER = rules.Rules("own", "clipped", "self", "edge", "either", "half", 0, "average")
SOCIETIES, ROUNDS, WAIT = 256, 10, 5


def in_turn(state, words, rules, params):
    """The state after the wait, by one time-step of `requests` after the other."""

    def step(state, each):
        goes_on = ~state.meeting.acts & ~requests.is_over(state, params)
        after = requests._until_request(state, each, rules, params)
        return jax.tree.map(partial(jnp.where, goes_on), after, state), None

    return jax.lax.scan(step, state, words)[0]


@pytest.mark.parametrize(
    ("users", "preset"),
    [(6, "carvalho"), (40, "santos"), (10, "printed"), (10, "learning"), (12, AVERAGE), (20, EITHER)],
)
def test_equal_time_steps_one_after_the_other(users, preset):
    env = RewiringGame(users, 2, preset, graph="uniform")  # where some users have no neighbour
    params = env.default_params.replace(beta=0.3, time_limit=40)
    state = jax.vmap(lambda key: requests.unasked(env.start(key), env.law, params))(
        jax.random.split(jax.random.key(0), SOCIETIES)
    )
    apart, at_once = (
        jax.jit(jax.vmap(partial(one, rules=env.law, params=params))) for one in (in_turn, requests.wait_at_once)
    )
    answer = jax.jit(jax.vmap(partial(requests.answer, rules=env.law, params=params)))
    start, requested, unheard = state.society.cooperators, 0, 0
    for key in jax.random.split(jax.random.key(1), ROUNDS):
        words = jax.random.bits(key, (SOCIETIES, WAIT, WORDS_PER_STEP), jnp.uint32)
        expected = apart(state, words)
        jax.tree.map(np.testing.assert_array_equal, at_once(state, words), expected)
        requested += expected.meeting.acts.sum()
        unheard += (expected.requests - state.requests).sum()
        state = answer(expected, jnp.arange(SOCIETIES) % users)
    assert requested > SOCIETIES  # something happened: users asked, and imitated, and some episodes ended
    assert (state.society.cooperators != start).any()
    assert (state.clock == 40).any()
    assert (unheard > 0) == (preset != "learning")  # there whoever asks may act
