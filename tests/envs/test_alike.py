"""All societies are built alike: the same files, the same order of methods, one way to draw an episode."""

import ast
import dataclasses
import doctest
import functools
import importlib
import inspect
from pathlib import Path

import jax
import pytest
from beartype import BeartypeConf
from beartype.door import is_bearable
from jaxtyping import jaxtyped

import jaxrec
from jaxrec.envs import learned, polarising, preference, rewiring
from jaxrec.envs.preference.slates import SlateEnvironment
from jaxrec.interface import Interface

NETWORK = learned.BeliefTransformer(width=4, heads=1, layers=0, mixtures=1)
ENVIRONMENTS = {
    "learned": learned.LearnedUsers(horizon=2, network=NETWORK),
    "polarising": polarising.PolarisingUsers(horizon=2),
    "preference": preference.PreferenceShift(horizon=2),
    "rewiring": rewiring.RewiringGame(6, 2),
    "rewiring/market": rewiring.RewiringMarket(6, 2),
}
CLASSES = [*map(type, ENVIRONMENTS.values()), learned.Deployed, SlateEnvironment]
FILES = {"__init__", "env", "metrics", "render"}
OWN = {"learned": {"inference", "network"}, "polarising": {"policies"}, "preference": {"policies"}}
FORBIDDEN = ("As", "That", "Those", "See", "Likewise", "Nothing", "None")
CONF = BeartypeConf(is_pep484_tower=True)
PACKAGE = Path(jaxrec.__file__).parent / "envs"


def defined(cls):
    """The names of the functions and properties of a class, in the order of its text."""
    (node,) = ast.parse(inspect.getsource(cls)).body
    return [member.name for member in node.body if isinstance(member, ast.FunctionDef)]


@pytest.mark.parametrize("society", ENVIRONMENTS)
def test_a_society_is_a_folder_of_the_same_files(society):
    files = {path.stem for path in (PACKAGE / society).glob("*.py")}
    assert files >= FILES | OWN.get(society, {"policies"})
    assert "dynamics" in files or society == "learned", "there inference and network stand for it"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_methods_stand_in_the_order_of_the_base_class(cls):
    """First the constructor, then the methods of `Environment` in its order, then those of the society."""
    standard = defined(Interface) + defined(jaxrec.Environment)
    names = [name for name in defined(cls) if name != "__post_init__"]
    overridden = [name for name in names if name in standard]
    assert names[: len(overridden)] == overridden, "methods of the society come last"
    assert overridden == sorted(overridden, key=standard.index)
    assert defined(cls)[0] == "__post_init__"


@pytest.mark.parametrize("society", ENVIRONMENTS)
def test_every_society_draws_an_episode_by_one_signature(society):
    render = importlib.import_module(f"jaxrec.envs.{society.replace('/', '.')}.render").render_episode
    assert list(inspect.signature(render).parameters) == ["env", "trajectory", "params"]
    assert inspect.signature(render).parameters["params"].default is None
    assert type(ENVIRONMENTS[society]).render is not Interface.render


@functools.cache
def played(society):
    env = ENVIRONMENTS[society]
    return jaxrec.rollout(env, env.policy("random"), jax.random.key(0), 2, 4, trajectory=True)


WRONG = {
    "a batch": lambda rollout: rollout.trajectory,
    "one step": lambda rollout: rollout.trajectory[0, 0],
    "no step": lambda rollout: rollout.trajectory[:0, 0],
    "a rollout": lambda rollout: rollout,
    "a state": lambda rollout: rollout.trajectory.state,
    "none": lambda rollout: None,
    "a number": lambda rollout: 3,
}


# Ten seconds each, and more, of compiling; test_render draws one, and refuses the same.
SLOW = ("rewiring", "rewiring/market", "learned", "preference")
EACH = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in ENVIRONMENTS]


@pytest.mark.parametrize("society", EACH)
def test_an_episode_is_drawn_and_anything_else_refused(society):
    env, rollout = ENVIRONMENTS[society], played(society)
    assert env.render(rollout.trajectory[:, 0]).axes
    for wrong in WRONG.values():
        with pytest.raises(jaxrec.InputError, match="trajectory must"):
            env.render(wrong(rollout))
    with pytest.raises(jaxrec.InputError, match="params"):
        env.render(rollout.trajectory[:, 0], params={})


@pytest.mark.parametrize("society", EACH)
@pytest.mark.parametrize("other", EACH)
def test_an_episode_of_another_society_is_refused(society, other):
    if not other.startswith(society):  # a market is a rewiring society
        with pytest.raises(jaxrec.InputError, match="trajectory must be of the environment that draws it"):
            ENVIRONMENTS[society].render(played(other).trajectory[:, 0])


def of_the_declared_type(tree):
    """Holds every field to its annotation; names of dimensions mean the same within one object."""
    hints = {
        name: hint
        for base in reversed(type(tree).__mro__)
        for name, hint in vars(base).get("__annotations__", {}).items()
    }
    for field in dataclasses.fields(tree):
        value, hint = getattr(tree, field.name), hints[field.name]
        if dataclasses.is_dataclass(value):
            of_the_declared_type(value)
        assert is_bearable(value, hint, conf=CONF), f"{type(tree).__name__}.{field.name}: {hint}, got {value}"


@pytest.mark.parametrize("society", EACH)
def test_fields_have_the_shapes_that_they_declare(society, key):
    """Which nothing checks while programs run: transformations build states of shapes, axes and shardings."""
    env = ENVIRONMENTS[society]
    obs, state = env.reset(key)
    _, next_state, *_ = env.step(key, state, 0)
    for tree in (state, next_state, env.default_params, *([obs] if dataclasses.is_dataclass(obs) else [])):
        with jaxtyped("context"):
            of_the_declared_type(tree)


@pytest.mark.parametrize("other", EACH)
def test_a_deployed_recommender_draws_its_users_alone(other):
    env = learned.Deployed(preference.PreferenceShift(horizon=2), learned.LearnedUsers(horizon=2, network=NETWORK))
    with pytest.raises(jaxrec.InputError, match="trajectory must be of the environment that draws it"):
        env.render(played(other).trajectory[:, 0])


HEAVY = ("RewiringGame", "RewiringMarket", "LearnedUsers", "Deployed")  # their examples compile for long


@pytest.mark.parametrize(
    "cls", [pytest.param(cls, marks=[pytest.mark.slow] * (cls.__name__ in HEAVY)) for cls in CLASSES[:-1]]
)
def test_the_example_of_a_class_runs(cls):
    (example,) = [test for test in doctest.DocTestFinder(recurse=False).find(cls, globs={}) if test.examples]
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_docstrings_are_about_what_they_document(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            assert text.split(" ")[0].rstrip(".,:;") not in FORBIDDEN, text
