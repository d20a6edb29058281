"""What an editor tells of a user's script, and the examples in the docstrings of the interface."""

import doctest
import json
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import jaxrec
from jaxrec import wrappers

PYRIGHT = Path(sys.executable).with_name("pyright")
ROOT = Path(__file__).parents[2]

SCRIPT = """
import dataclasses

import jax
import jax.numpy as jnp
from jax import Array

import jaxrec
from jaxrec.policy import Stateless
from jaxrec.spaces import Discrete
from jaxrec.utilities import RewardFunction
from jaxrec.wrappers import TimeLimit


class Place(jaxrec.EnvState):
    place: Array


class Costs(jaxrec.EnvParams):
    cost: float = 0.1


@dataclasses.dataclass(unsafe_hash=True)
class Walk(jaxrec.Environment[Place, Costs]):
    length: int = 4
    reward: str | RewardFunction = "engagement"

    @property
    def default_params(self) -> Costs:
        return Costs()

    def reset_env(self, key: Array, params: Costs) -> tuple[Array, Place]:
        state = Place(time=jnp.zeros((), int), place=jnp.zeros((), int))
        return state.place, state

    def transition(self, key: Array, state: Place, action: Array, params: Costs) -> tuple[Place, Array]:
        state = state.replace(time=state.time + 1, place=state.place + action)
        return state, state.place >= self.length

    def observe(self, state: Place, params: Costs) -> Array:
        return state.place

    def utilities(self, state: Place, action: Array, next_state: Place, params: Costs) -> jaxrec.Utilities:
        worth = next_state.place - params.cost
        return jaxrec.Utilities(recommender=worth, user=worth, society=0.0)

    def metrics(self, state: Place, action: Array, next_state: Place, params: Costs) -> dict[str, Array]:
        return {"place": next_state.place}

    def action_space(self, params: Costs | None = None) -> Discrete:
        return Discrete(2)

    def observation_space(self, params: Costs | None = None) -> Discrete:
        return Discrete(self.length + 1)


class Right(Stateless):
    def act(self, carry: tuple[()], obs: Array, key: Array) -> tuple[Array, tuple[()]]:
        return jnp.ones((), jnp.int32), carry


env, key = Walk(), jax.random.key(0)
obs, state = env.reset(key)
reveal_type(env.reset(key))
reveal_type(env.step(key, state, 1)[1])
reveal_type(env.default_params)
reveal_type(state.place)
reveal_type(state.time)
rolled = jaxrec.rollout(env, Right(), key, 2, 3)
reveal_type(rolled)
reveal_type(rolled.per_step)
reveal_type(rolled.episode_return)
reveal_type(jaxrec.evaluate(env, Right(), key, 2))
reveal_type(jaxrec.evaluate(env, {"right": Right()}, key, 2))
reveal_type(jaxrec.evaluate(env, Right(), key, 2).estimate("reward").value)
reveal_type(jaxrec.batched(env.default_params, 3))


@dataclasses.dataclass(unsafe_hash=True)
class Untyped(TimeLimit):
    max_steps: int = 5
"""

TYPES = [
    "tuple[Any, Place]",
    "Place",
    "Costs",
    "Array",
    "Array",
    "Rollout",
    "dict[str, Array]",
    "Array",
    "Evaluation",
    "dict[str, Evaluation]",
    "float",
    "Costs",
]


@pytest.mark.skipif(not PYRIGHT.exists(), reason="pyright is not installed")
def test_a_type_checker_knows_the_classes_of_a_users_script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)], "include": ["script.py"]}))
    command = [str(PYRIGHT), "--outputjson", "--pythonpath", sys.executable, "--project", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    said = json.loads(done.stdout)["generalDiagnostics"]
    assert [each["message"] for each in said if each["severity"] == "error"] == []
    revealed = [each["message"] for each in said if each["severity"] == "information"]
    assert [message.rsplit(" is ", 1)[1].strip('"') for message in revealed] == TYPES


DOCUMENTED = [jaxrec.Environment] + [getattr(wrappers, name) for name in wrappers.__all__ if name[0].isupper()]


@pytest.mark.parametrize(
    "kind", [kind for kind in DOCUMENTED if ">>>" in (kind.__doc__ or "")], ids=lambda kind: kind.__name__
)
def test_the_example_of_a_class_gives_what_it_shows(kind):
    names = {"jax": jax, "jaxrec": jaxrec} | {name: getattr(wrappers, name) for name in wrappers.__all__}
    (example,) = doctest.DocTestFinder(recurse=False).find(kind, globs=names)
    assert doctest.DocTestRunner().run(example).failed == 0


def test_an_environment_with_classes_compares_hashes_and_compiles_like_one_without(polarising):
    env, params = polarising
    assert isinstance(env, jaxrec.Environment)
    assert jaxrec.Environment[int, int].__origin__ is jaxrec.Environment
    assert env == type(env)()
    assert hash(env) == hash(type(env)())
    assert env.reset(jax.random.key(0), params)[1].time == 0
