"""The kernel of a step for GPUs, interpreted: against XLA on the same draws."""

from functools import partial

import jax
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.rewiring import RewiringGame, RewiringMarket, rules
from jaxrec.envs.rewiring.arguments import check_engine
from jaxrec.envs.rewiring.games import PublicGoods

AVERAGE = rules.Rules("own", "clipped", "none", "neighbour", "either", "half", 1, "average")
EITHER = rules.Rules("own", "clipped", "self", "edge", "either", "half", 0, "average")
SOCIETIES, STEPS, LIMIT = 16, 60, 100


def played(env, params):
    """The states of all steps, whatever is recommended, eligible or not, and out of range too."""
    _, state = jax.vmap(env.reset_env, in_axes=(0, None))(jax.random.split(jax.random.key(0), SOCIETIES), params)

    def step(state, inputs):
        keys, actions = inputs
        _, after, *_ = jax.vmap(partial(env.step_env, params=params))(keys, state, actions)
        return after, after

    keys = jax.random.split(jax.random.key(1), (STEPS, SOCIETIES))
    actions = jax.random.randint(jax.random.key(2), (STEPS, SOCIETIES), -1, env.num_users + 1)
    return jax.tree.map(np.asarray, jax.jit(lambda state: jax.lax.scan(step, state, (keys, actions))[1])(state))


@pytest.mark.parametrize(
    ("users", "preset"),
    [
        (12, "carvalho"),
        pytest.param(70, "santos", marks=pytest.mark.slow),  # three words a set, padded to four
        pytest.param(33, "printed", marks=pytest.mark.slow),
        (64, "learning"),
        pytest.param(20, AVERAGE, marks=pytest.mark.slow),
        (20, EITHER),
    ],
)
@pytest.mark.parametrize("max_wait", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_equals_xla_on_the_same_draws(users, preset, max_wait):
    games = [RewiringGame(users, 4, preset, max_wait=max_wait, engine=engine) for engine in ("xla", "pallas")]
    params = games[0].default_params.replace(beta=0.1, influence=0.7, time_limit=LIMIT)
    xla, kernel = (played(game, params) for game in games)
    assert jax.tree.structure(xla) == jax.tree.structure(kernel)
    differs = np.zeros(SOCIETIES, bool)  # a decision that hangs on the last digit of a float changes all that follows
    for one, other in zip(jax.tree.leaves(xla), jax.tree.leaves(kernel), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        same = np.isclose(one, other, rtol=1e-5) if one.dtype.kind == "f" else one == other
        same = same.reshape(STEPS, SOCIETIES, -1)
        differs |= ~same.all(axis=(0, 2))
    assert differs.sum() <= 1
    assert kernel.rewires[-1].mean() > 5
    assert kernel.ineligible[-1].mean() > 1
    assert (kernel.society.cooperators[-1] != kernel.society.cooperators[0]).any()
    assert (kernel.clock[-1] == LIMIT).any()  # some have waited until the end


@pytest.mark.slow
def test_rollouts_are_the_same():
    games = [RewiringGame(40, 6, engine=engine) for engine in ("xla", "pallas")]
    params = games[0].default_params.replace(beta=0.1)
    found = [jaxrec.rollout(env, env.policy("good"), jax.random.key(3), 8, 40, params) for env in games]
    for one, other in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_cpu_refuses_it_under_x64():
    env = RewiringGame(8, 2, engine="pallas")
    with jax.enable_x64(True):
        _, state = env.reset(jax.random.key(0))
        with pytest.raises(jaxrec.InputError, match="interprets it in 32 bits alone"):
            env.step(jax.random.key(1), state, 0)


def test_several_devices_are_refused():
    env, key = RewiringGame(8, 2, engine="pallas"), jax.random.key(0)
    mesh = jax.sharding.AbstractMesh((1, 2), ("runs", "envs"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    _, state = env.reset(key)
    with jax.sharding.use_abstract_mesh(mesh), pytest.raises(jaxrec.InputError, match="on one device, got 2"):
        jax.eval_shape(env.step, key, state, 0)


def test_it_is_chosen_by_name_and_refuses_what_it_does_not_play():
    assert RewiringGame(8, 2).engine == "xla"
    for arguments in ({"game": PublicGoods(2.0)}, {"observe_as": "graphs_tuple"}):
        with pytest.raises(jaxrec.InputError, match="engine 'pallas' plays games of two players, observed as 'dense'"):
            RewiringGame(8, 2, engine="pallas", **arguments)
    with pytest.raises(jaxrec.InputError, match="at most 64 time-steps, got 65"):
        RewiringGame(8, 2, engine="pallas", max_wait=65)
    with pytest.raises(jaxrec.InputError, match="engine 'pallas' has the rules of RewiringGame alone"):
        RewiringMarket(20, 2, engine="pallas")
    with pytest.raises(jaxrec.InputError, match="unknown engine 'palas'"):
        check_engine("palas", RewiringGame(8, 2).law, "dense", 4)
