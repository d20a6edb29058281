"""Two trainings are taken for the same if they are, however large what they are given, and only then."""

import functools
import os
import subprocess
import sys

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct
from probes import Chain

import jaxrec
from jaxrec.agents import MLP, QLearning
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.training import fit
from jaxrec.training.fingerprint import differing, identity

AGENT = QLearning(Chain(), 64, num_envs=4, num_steps=8)
KEYS = jax.random.split(jax.random.key(0), 2)
PARAMS = jaxrec.batched(Chain().default_params, 2)


def told(**parts):
    """Without the versions."""
    return "\n".join(line for line in identity(**parts).split("\n") if not line.startswith("versions."))


def scoring(weight):
    return lambda policy, params, key: jnp.asarray(weight)


def enclosing(weight):
    return lambda policy, params, key, by=weight: jnp.asarray(by)


def nested(weight):
    inner = scoring(weight)
    return lambda policy, params, key: inner(policy, params, key)


def reading(weight):
    """A function of a module of its own, whose constant it reads."""
    module = {"WEIGHT": weight}
    exec("def score(policy, params, key):\n    return (lambda: WEIGHT)()\n", module)
    return module["score"]


def bound(weight):
    net = MLP(2, (4,))
    weights = net.init(jax.random.key(0), (), jnp.ones(3))
    net = net.bind(jax.tree.map(lambda leaf: leaf * weight, weights))
    return lambda policy, params, key: net((), jnp.ones(3))[2]


def wrapped(weight):
    return Wrapping(nested, weight)


def called(weight):
    class Here:
        def __call__(self, policy, params, key):
            return weight

    return Here()


def drawing(implementation):
    return jax.random.key(0, impl=implementation)


def world(reward):
    return PolarisingUsers(reward=reward)


class Held(struct.PyTreeNode):
    rate: object
    users: object = struct.field(pytree_node=False, default=3)


class Wrapping:
    """As decorators of libraries are."""

    def __init__(self, function, weight):
        functools.update_wrapper(self, function)
        self.weight = weight

    def __call__(self, policy, params, key):
        return jnp.asarray(self.weight)


class Scorer:
    """A function by its class and attributes, and one by a method."""

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, policy, params, key):
        return jnp.asarray(self.weight)

    def score(self, policy, params, key):
        return jnp.asarray(self.weight)

    @functools.cached_property
    def table(self):
        return jnp.ones(3)

    def __repr__(self):
        raise RuntimeError


class Population:
    """Known by its attributes."""

    def __init__(self, size):
        self.size = size


def unfilled(weight):
    def function(policy, params, key):
        return later

    if weight > 2:
        later = weight
    return function


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
        ({"evaluate": lambda *_: jnp.ones(())}, {"evaluate": lambda *_: jnp.zeros(())}),
        ({"evaluate": lambda *_: 1.0}, {"evaluate": lambda *_: 2.0}),
        ({"evaluate": nested(1.0)}, {"evaluate": nested(2.0)}),
        ({"evaluate": jax.jit(scoring(1.0))}, {"evaluate": jax.jit(scoring(2.0))}),
        ({"evaluate": functools.partial(scoring(1.0))}, {"evaluate": functools.partial(scoring(2.0))}),
        ({"evaluate": functools.partial(scoring(1.0), 1)}, {"evaluate": functools.partial(scoring(1.0), 2)}),
        ({"evaluate": Scorer(1.0)}, {"evaluate": Scorer(2.0)}),
        ({"evaluate": Scorer(1.0).score}, {"evaluate": Scorer(2.0).score}),
        ({"evaluate": scoring({1: 2, "a": 3})}, {"evaluate": scoring({1: 2, "a": 4})}),
        ({"evaluate": unfilled(1)}, {"evaluate": unfilled(3)}),
        ({"evaluate": reading(1)}, {"evaluate": reading(2)}),
        ({"evaluate": bound(1)}, {"evaluate": bound(5)}),
        ({"evaluate": wrapped(1)}, {"evaluate": wrapped(2)}),
        ({"evaluate": called(1)}, {"evaluate": called(2)}),
        ({"evaluate": lambda p, *k: k}, {"evaluate": lambda p, k: k}),
        ({"agent": Held(drawing("rbg"))}, {"agent": Held(drawing("unsafe_rbg"))}),
        ({"agent": Held(1, users=Population(3))}, {"agent": Held(1, users=Population(4))}),
        ({"agent": Held("a  b")}, {"agent": Held("a b")}),
        ({"agent": Held(1, users=lambda u: u)}, {"agent": Held(1, users=lambda u: -u)}),
        ({"agent": world(lambda u, w: u.recommender)}, {"agent": world(lambda u, w: -10 * u.recommender)}),
        ({"agent": Held(flax.core.freeze({"a": jnp.zeros(2)}))}, {"agent": Held(flax.core.freeze({"a": jnp.ones(2)}))}),
        ({"agent": Held(jax.tree_util.Partial(scoring, 1))}, {"agent": Held(jax.tree_util.Partial(scoring, 2))}),
    ],
)
def test_what_differs_has_another(one, other):
    assert identity(**one) == identity(**one)
    assert identity(**one) != identity(**other)


def test_it_is_short_and_the_same_wherever_functions_lie():
    assert len(told(agent=jnp.zeros(10**6))) < 50
    for made in (scoring, enclosing, nested, unfilled, Scorer, reading, bound, wrapped, called):
        assert identity(evaluate=made(1.0)) == identity(evaluate=made(1.0))


def test_it_is_the_same_in_every_process(tmp_path):
    """Sets of texts come in another order in each."""
    script = tmp_path / "script.py"
    script.write_text(
        "from jaxrec.training.fingerprint import identity\n"
        "def scoring(names):\n"
        "    return lambda policy, params, key: 'users' in names or key in {'clicks', 'slates', 'users'}\n"
        "print(identity(evaluate=scoring({'clicks', 'users', 'slates', 'likes'})))\n"
        "import numpy as np\n"
        "class Model: pass\n"
        "held = {frozenset(('a', 'b', 'c')): np.random.default_rng(0), Model: np.array([Model, {'d', 'e', 'f'}, 1])}\n"
        "print(identity(agent=held))\n"
    )
    said = {
        subprocess.run(
            [sys.executable, script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
    assert "names=set of 'clicks', 'likes', 'slates', 'users'" in said.pop()


def test_what_is_worked_out_on_the_way_changes_nothing():
    scorer, schedule = Scorer(1.0), optax.cosine_decay_schedule(1.0, 100)
    before = identity(evaluate=scorer), identity(evaluate=lambda *_: schedule(0))
    assert scorer.table.sum() == 3
    schedule(3)
    assert before[0] == identity(evaluate=scorer)
    assert before[1].split("\n")[1:] == identity(evaluate=lambda *_: schedule(0)).split("\n")[1:]


def test_what_has_no_values_is_known_by_its_kind():
    deleted = jnp.ones(3)
    deleted.delete()
    assert told(agent=[deleted]) == "agent=list of 1\nagent[0]=float32[3]"
    seen = []
    jax.jit(lambda x: seen.append(told(agent=[x])))(jnp.ones(2))
    assert seen == ["agent=list of 1\nagent[0]=float32[2]"]


def test_it_grows_with_what_there_is_not_with_the_ways_to_it():
    """Jitted methods all lead to one object, and so to each other."""

    class Model:
        def __init__(self):
            for i in range(12):
                setattr(self, f"step{i}", jax.jit(functools.partial(self.score, i)))

        def score(self, i, policy, params, key):
            return i

    assert told(evaluate=Model().score).count("\n") < 20
    assert identity(evaluate=Model().score) == identity(evaluate=Model().score)


def test_objects_that_know_each_other_are_told_once():
    users = [Population(size) for size in range(30)]
    for user in users:
        user.friends = users
    one, other = (told(agent=Held(1, users=users[0])) for _ in range(2))
    assert one == other
    users[20].size = 7
    assert told(agent=Held(1, users=users[0])) != one


def test_rings_end():
    def function(policy, params, key):
        return function

    ring = [function]
    ring.append(ring)
    assert identity(evaluate=function) == identity(evaluate=function)
    assert told(agent=ring).count("\n") < 10


def test_it_is_the_same_for_a_class_of_a_script_and_of_a_module():
    here, script = type("World", (), {}), type("World", (), {"__module__": "__main__"})
    assert here.__module__ != script.__module__
    assert identity(agent=Held(1, users=here())) == identity(agent=Held(1, users=script()))
    assert identity(agent=Held(1, users=here())) != identity(agent=Held(1, users=type("Island", (), {})()))


def test_where_two_differ():
    """What changed is named; of many changes, and of a long one, the beginning."""
    one, other = (identity(agent=AGENT.replace(epsilon_end=end, gamma=gamma)) for end, gamma in ((0.5, 0.9), (0.25, 1)))
    assert differing(one, other) == (
        "agent.gamma=0.9, agent.epsilon_end=0.5",
        "agent.gamma=1, agent.epsilon_end=0.25",
    )
    assert differing("a\nb", "a") == ("b", "nothing more")
    many = "\n".join(f"line {i}" for i in range(9))
    assert differing(many, "x" * 500) == ("line 0, line 1, line 2, ...", "x" * 96 + " ...")


def test_trainings_from_other_starts_are_others(tmp_path):
    """Their checkpoints are refused, in a line; a start made outside `jit` is taken, and stays with the caller."""
    start = jax.vmap(AGENT.init)(KEYS, PARAMS)
    learned = fit(AGENT, KEYS, PARAMS, state=start, checkpoints=tmp_path)
    assert jnp.array_equal(fit(AGENT, KEYS, PARAMS, state=start, checkpoints=tmp_path).q, learned.q)
    with pytest.raises(jaxrec.InputError, match="of another training") as error:
        fit(AGENT, KEYS, PARAMS, state=start.replace(q=start.q + 5), checkpoints=tmp_path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_it_does_not_depend_on_where_libraries_lie():
    for activation in (flax.linen.tanh, jax.nn.relu, jax.nn.gelu, jnp.tanh):
        assert "/" not in identity(agent=MLP(2, activation=activation))
