"""Two trainings are taken for the same if they are, however large what they are given, and only then."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from probes import Chain

import jaxrec
from jaxrec.agents import QLearning, fit
from jaxrec.agents.identity import differing, identity

AGENT = QLearning(Chain(), 64, num_envs=4, num_steps=8)
KEYS = jax.random.split(jax.random.key(0), 2)
PARAMS = jaxrec.batched(Chain().default_params, 2)


def scoring(weight):
    return lambda policy, params, key: jnp.asarray(weight)


def enclosing(weight):
    return lambda policy, params, key, by=weight: jnp.asarray(by)


class Held(struct.PyTreeNode):
    rate: object
    users: int = struct.field(pytree_node=False, default=3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"agent": AGENT}, {"agent": AGENT.replace(epsilon_end=0.25)}),
        ({"agent": Held(jnp.float32(1e-3))}, {"agent": Held(jnp.float32(1.00000015e-3))}),
        ({"agent": Held(jnp.zeros(10**6))}, {"agent": Held(jnp.zeros(10**6).at[500_000].set(1))}),
        ({"agent": Held(1)}, {"agent": Held(1, users=4)}),
        ({"agent": Held(jnp.zeros((2, 3)))}, {"agent": Held(jnp.zeros((3, 2)))}),
        ({"keys": KEYS}, {"keys": KEYS[::-1]}),
        ({"start": None}, {"start": jnp.zeros(2)}),
        ({"evaluate": scoring(1.0)}, {"evaluate": scoring(2.0)}),
        ({"evaluate": enclosing(1.0)}, {"evaluate": enclosing(2.0)}),
        ({"evaluate": scoring(np.zeros(2000))}, {"evaluate": scoring(np.eye(1, 2000, 1000)[0])}),
    ],
)
def test_what_differs_has_another(one, other):
    assert identity(**one) == identity(**one)
    assert identity(**one) != identity(**other)


def test_it_is_short_and_the_same_wherever_functions_lie():
    assert len(identity(agent=Held(jnp.zeros(10**6)))) < 200
    assert identity(evaluate=scoring(1.0)) == identity(evaluate=scoring(1.0))


def test_it_is_the_same_for_a_class_of_a_script_and_of_a_module():
    here, script = type("World", (), {}), type("World", (), {"__module__": "__main__"})
    assert here.__module__ != script.__module__
    assert identity(agent=Held(1, users=here())) == identity(agent=Held(1, users=script()))
    assert identity(agent=Held(1, users=here())) != identity(agent=Held(1, users=type("Island", (), {})()))


def test_where_two_differ():
    long = "a" * 500
    assert differing(long + "x\n y" + long, long + "z" + long) == (
        "a" * 60 + "x y" + "a" * 56,
        "a" * 60 + "z" + "a" * 59,
    )
    assert differing("same", "same and more") == ("same", "same and more")


def test_trainings_from_other_starts_are_others(tmp_path):
    """Their checkpoints are refused, in a line; a start made outside `jit` is taken, and stays with the caller."""
    start = jax.vmap(AGENT.init)(KEYS, PARAMS)
    learned = fit(AGENT, KEYS, PARAMS, state=start, checkpoints=tmp_path)
    assert jnp.array_equal(fit(AGENT, KEYS, PARAMS, state=start, checkpoints=tmp_path).q, learned.q)
    with pytest.raises(jaxrec.InputError, match="of another training") as error:
        fit(AGENT, KEYS, PARAMS, state=start.replace(q=start.q + 5), checkpoints=tmp_path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
