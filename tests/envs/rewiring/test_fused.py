"""The kernel of `simulate` for GPUs, interpreted: against XLA given the same seeds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.rewiring import RewiringGame, rules, simulate
from jaxrec.envs.rewiring.games import PublicGoods
from jaxrec.envs.rewiring.simulation import advance
from jaxrec.envs.rewiring.simulation.competition import settings
from jaxrec.envs.rewiring.simulation.simulator import Queue

AVERAGE = rules.Rules("own", "clipped", "none", "neighbour", "either", "half", 1, "average")
EITHER = rules.Rules("own", "clipped", "self", "edge", "either", "half", 0, "average")


def advanced(env, recommender, params, engine, lanes=8, num_steps=300):
    """Lanes after two calls: what the first leaves behind, the second takes up."""
    queue = Queue(*settings(env, recommender, params, None, lanes))
    state, setting = queue.start(env, jax.random.key(1), np.arange(lanes)), queue.lanes(np.arange(lanes))
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("lanes",))
    for key in jax.random.split(jax.random.key(2)):
        method = advance.Method("xoshiro", engine)
        state = advance.advance(env.law, state, key, setting, num_steps // 2, mesh, method)
    return jax.tree.map(np.asarray, state)


@pytest.mark.parametrize(
    ("users", "preset", "recommender"),
    [
        (40, "carvalho", "local"),
        (70, "santos", "good"),  # three words a set, padded to four
        (33, "printed", "random"),
        (64, "learning", "fair"),
        (100, AVERAGE, "bad"),
        (20, EITHER, "null"),
    ],
)
def test_equals_xla_given_the_same_seeds(users, preset, recommender):
    env = RewiringGame(users, 4, preset)
    params = env.default_params.replace(beta=0.1, influence=0.7, timescale=jnp.linspace(0.5, 3.0, 8))
    xla, kernel = (advanced(env, recommender, params, engine) for engine in ("xla", "pallas"))
    leaves, others = jax.tree.leaves(xla), jax.tree.leaves(kernel)
    assert [leaf.shape for leaf in leaves] == [leaf.shape for leaf in others]
    # A decision that hangs on the last digit of a float may fall either way, and changes all that follows.
    differs = np.zeros(8, bool)
    for name in ("opportunities", "requests", "rewires"):
        differs |= getattr(xla, name) != getattr(kernel, name)
    for name in ("adjacency", "edges"):
        differs |= (getattr(xla.society, name) != getattr(kernel.society, name)).any(axis=(1, 2))
    differs |= (xla.society.cooperators != kernel.society.cooperators).any(axis=0)
    assert differs.sum() <= 1
    assert kernel.requests.min() > 10
    assert (kernel.rewires > 10).all() or recommender == "null"


def test_it_is_chosen_by_name_and_refuses_what_it_does_not_play(key):
    env = RewiringGame(8, 2)
    found = simulate(env, "local", key, num_steps=20, check_every=10, runs=2, engine="pallas")
    assert (found.generator, found.engine) == ("xoshiro", "pallas")
    goods = RewiringGame(8, 2, game=PublicGoods(2.0))
    for game, recommenders in ((env, "high"), (env, ["local", "good"]), (goods, "local")):
        with pytest.raises(jaxrec.InputError, match="engine 'pallas' plays games of two players"):
            simulate(game, recommenders, key, num_steps=20, check_every=10, engine="pallas")
    with pytest.raises(jaxrec.InputError, match="engine 'pallas' draws from generator 'xoshiro', got 'threefry'"):
        simulate(env, "local", key, engine="pallas", generator="threefry")
