"""A model learns from logs alone: its code names nothing of how users really shift."""

import ast
from pathlib import Path

import pytest

import jaxrec

PACKAGE = Path(jaxrec.__file__).parent
HIDDEN = {  # how users really shift, and what they really prefer
    *("shifts", "tables", "Tables", "convenience", "worth", "natural_preferences", "rationality", "inertia"),
    *("initial_mean", "initial_deviation", "BELIEF_SHARPNESS", "PreferenceShift", "PreferenceState"),
    *("PreferenceParams", "infer", "Trajectories", "generate", "record"),
}
BLIND = [f"envs/learned/{name}.py" for name in ("network", "inference", "env", "metrics", "render")]
BLIND += [f"estimation/{name}.py" for name in ("anticipation", "logs", "user_model")]


def names_in(path):
    """Whatever code refers to by name; what is said in documentation is no reference."""
    for node in ast.walk(ast.parse(path.read_text())):
        for field in ("id", "attr", "arg", "name", "module"):
            if isinstance(value := getattr(node, field, None), str):
                yield from value.split(".")


@pytest.mark.parametrize("name", [*BLIND, "envs/preference/slates.py"])
def test_a_model_is_told_nothing_of_how_users_really_shift(name):
    used = set(names_in(PACKAGE / name))
    assert not used & HIDDEN, f"{name} uses {used & HIDDEN}: only real users know that"
    assert {"env", "exact", "dataset", "deployed"}.isdisjoint(
        module.rsplit(".", 1)[-1]
        for module in imported(PACKAGE / name)
        if module.startswith(("jaxrec.envs.preference", "jaxrec.envs.learned"))
        and module != "jaxrec.envs.learned.env"  # the model itself
    ), f"{name} imports real users"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_the_names_that_are_hidden_are_those_of_the_users():
    """Were one renamed, the test above would look for nothing."""
    everywhere = set()
    for folder in ("envs/preference", "envs/learned", "estimation"):
        for path in (PACKAGE / folder).glob("*.py"):
            everywhere |= set(names_in(path))
    assert everywhere >= HIDDEN
