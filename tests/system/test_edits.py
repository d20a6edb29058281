"""Whoever edits code, of his own or of jaxrec, is not given what it learned before."""

import os
import subprocess
import sys
from types import ModuleType

import jax
import numpy as np
import pytest
from paths import ROOT, SUPPORT

import jaxrec
from jaxrec.agents import GAT, PPO, QLearning, Ranking
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.runtime import interruption
from jaxrec.training import fit
from jaxrec.training.fingerprint import identity

SCRIPT, HELPERS = ((SUPPORT / name).read_text() for name in ("homemade.py", "homemade_helpers.py"))
KEYS = jax.random.split(jax.random.key(0), 2)


def loaded(name, text):
    """A module, as a process imports it that starts anew."""
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


@pytest.fixture
def world():
    """The script with an edit."""
    before = {name: sys.modules.get(name) for name in ("homemade", "homemade_helpers")}

    def edited(old="", new=""):
        assert old in SCRIPT + HELPERS
        loaded("homemade_helpers", HELPERS.replace(old, new))
        return loaded("homemade", SCRIPT.replace(old, new))

    yield edited
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def given(script):
    env = PolarisingUsers(reward=script.rewarding)
    return identity(env=script.Mine(), network=script.Net(), step_size=script.Step(), agent=QLearning(env, 64, 4, 8))


def changed(one, other):
    """What the lines are of that are not in both."""
    only = set(one.split("\n")) ^ set(other.split("\n"))
    return {line.partition("=")[0] for line in only}


EDITS = {
    "a method": ("next_state.earned - paid", "next_state.earned + paid", {"code.Mine.utilities"}),
    "a property": ("return 1.5", "return 2.5", {"code.Mine.scale"}),
    "a static method": ("return x / 2", "return x / 3", {"code.Mine.half"}),
    "a cached property": ("jnp.ones(3)", "jnp.zeros(3)", {"code.Mine.table"}),
    "a constant of a class": ("WEIGHT = 3", "WEIGHT = 4", {"code.Mine"}),
    "a function in a dict of a class": ('"free": lambda state: 0.0', '"free": lambda state: 1.0', {"code.Mine"}),
    "a base class": ("return 1.0", "return 2.0", {"code.Base.bonus"}),
    "the bases of a class": ("class Mine(Base)", "class Mine(Base, Plain)", {"code.Mine"}),
    "a helper of a helper": ("return PRICE * state", "return -PRICE * state", {"code.price"}),
    "a constant that a helper reads": ("PRICE = 0.5", "PRICE = 0.6", {"code.price"}),
    "values that a library keeps": ("linear_schedule(1.0", "linear_schedule(2.0", None),
    "a jitted function": ("return x + 1", "return x + 5", {"code.jitted"}),
    "a cached function": ("return x + 2", "return x + 5", {"code.kept"}),
    "a decorated function": ("return x + 3", "return x + 5", {"code.doubled.<locals>.<lambda>"}),
    "a decorator": ("2 * function(x)", "3 * function(x)", {"code.doubled.<locals>.<lambda>"}),
    "arguments given": ("partial(jnp.power, 2)", "partial(jnp.power, 3)", {"code.functools.partial"}),
    "another name of a function": ("chosen = first", "chosen = second", {"code.Mine.utilities"}),
    "another name of one of several": ("taken = low", "taken = high", {"code.Mine.utilities"}),
    "the module of a name": ("import jax.numpy as jnp", "import numpy as jnp", None),
    "a default of a class": ("rate: float = 0.3", "rate: float = 0.4", {"code.Tax", "code.Tax.__init__"}),
    "a method of an object made on the way": ("return self.rate * x", "return x", {"code.Tax.of"}),
    "an object of a module": ("plain = Plain(1)", "plain = Plain(2)", {"code.Mine.utilities"}),
    "the class of an object": ("return self.by * x", "return x", {"code.Plain.times"}),
    "a class within a method": ("value = 1.0", "value = 2.0", {"code.Mine.metrics"}),
    "a set": ("in {1, 2}", "in {1, 3}", {"code.Mine.metrics"}),
    "a function of another module": ("return inner(x)", "return -inner(x)", {"code.extra"}),
    "a constant of another module": ("LEAST = 7", "LEAST = 8", {"code.inner"}),
    "what a network does": ("self.shown(nn.Dense(2)(x))", "nn.Dense(2)(x)", {"code.Net.__call__"}),
    "a method of a network": ("return x + 4", "return x + 5", {"code.Net.shown"}),
    "a step size": ("1 / (1 + visits)", "1 / (2 + visits)", {"code.Step.__call__"}),
    "the helper of a reward": ("return PRICE", "return 2 * PRICE", {"code.price"}),
}


@pytest.fixture(scope="module")
def unedited():
    loaded("homemade_helpers", HELPERS)
    return given(loaded("homemade", SCRIPT))


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_noticed_and_named(name, world, unedited):
    old, new, lines = EDITS[name]
    found = changed(unedited, given(world(old, new)))
    assert found == lines if lines else found


COMMENTS = {
    "of a script": ("A script of a user's", "My script"),
    "of a function": ("What a place costs.", "What a place costs, in euros."),
    "of a method": ("What is earned.", "What is earned in a step."),
    "of a base class": ("Of every step.", "Of all."),
    "of a class": ("A world.", "My world."),
    "of a class within a method": ("Within.", "In here."),
    "a new one": ("def paid(state):\n", 'def paid(state):\n    """What one has paid."""\n'),
    "none any more": ('    """What a place costs."""\n', ""),
    "lines": ("PRICE = 0.5", "# A comment.\n\n\nPRICE = 0.5"),
}


@pytest.mark.parametrize("name", COMMENTS)
def test_docstrings_and_lines_do_not_count(name, world, unedited):
    assert given(world(*COMMENTS[name])) == unedited


def trained(script, folder, **settings):
    agent = QLearning(script.Mine(), 64, num_envs=4, num_steps=8)
    return fit(agent, KEYS, jaxrec.batched(agent.env.default_params, 2), 2, checkpoints=folder, **settings)


def refused(script, folder, line):
    """Whether it is, in a line that names what differs, and nothing else."""
    with pytest.raises(jaxrec.InputError, match="of another training") as error:
        trained(script, folder)
    assert "\n" not in str(error.value)
    assert str(error.value).count(line) == 2, "theirs, and this one's"
    assert str(error.value).count("=") == 3, "and that of `checkpoints`"


def test_a_training_is_not_given_back_for_other_code(world, tmp_path, monkeypatch):
    learned = trained(world(), tmp_path)
    np.testing.assert_array_equal(trained(world("What is earned.", "Earned."), tmp_path).q, learned.q)
    refused(world("next_state.earned - paid", "next_state.earned + paid"), tmp_path, "code.Mine.utilities=")
    refused(world("return inner(x)", "return -inner(x)"), tmp_path, "code.extra=")
    looked_up = jaxrec.training.fingerprint.version
    monkeypatch.setattr(
        "jaxrec.training.fingerprint.version", lambda name: "0.99" if name == "jax" else looked_up(name)
    )
    refused(world(), tmp_path, "versions.jax=")


def test_an_interrupted_training_does_not_go_on_with_other_code(world, tmp_path):
    def stop(updates, metrics):
        os.kill(os.getpid(), 15)

    def cut_off():
        with interruption.handling_signals():
            trained(world(), tmp_path, on_metrics=stop)

    with pytest.raises(interruption.Interrupted):
        cut_off()
    refused(world("return PRICE", "return 2 * PRICE"), tmp_path, "code.price=")
    told = []
    trained(world("return PRICE", "# A comment.\n    return PRICE"), tmp_path, on_metrics=lambda *_: told.append(0))
    assert len(told) == 2


THEIRS = "def theirs(x):\n    return x\n"


@pytest.mark.parametrize(("folder", "noticed"), [("theirs_one", False), ("theirs_two", True)])
def test_an_installed_package_is_known_by_its_version_unless_it_came_from_a_folder(
    folder, noticed, tmp_path, monkeypatch
):
    site = tmp_path / "site-packages"
    about = site / f"{folder}-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {folder}\nVersion: 1.2\n")
    (about / "direct_url.json").write_text('{"dir_info": {}, "url": "file:///here"}' if noticed else "{}")
    (site / f"{folder}.py").touch()
    monkeypatch.syspath_prepend(site)
    said = []
    for text in (THEIRS, THEIRS.replace("return x", "return -x")):
        module = loaded(folder, text)
        monkeypatch.setitem(sys.modules, folder, module)
        module.__file__ = str(site / f"{folder}.py")
        said.append(
            identity(evaluate=loaded("script", f"import {folder}\ndef mine(x): return {folder}.theirs(x)").mine)
        )
    assert changed(*said) == ({"code.theirs"} if noticed else set())
    assert (f"versions.{folder}=1.2" in said[0]) != noticed


HOOKED = """
from jaxtyping import install_import_hook
install_import_hook(["jaxrec", "script", "homemade_helpers"], "typechecking.checked")
"""
TOLD = """
from jaxrec.agents import QLearning
from jaxrec.training.fingerprint import identity
from jaxrec.envs.polarising import PolarisingUsers
agent = QLearning(PolarisingUsers(reward=rewarding), 64, 4, 8)
print(identity(env=Mine(), network=Net(), step_size=Step(), agent=agent))
"""


@pytest.mark.slow
@pytest.mark.parametrize("hooks", ["", HOOKED], ids=["plain", "checked"])
def test_it_is_the_same_in_every_process_and_for_a_script_and_a_module(hooks, tmp_path):
    """Also where jaxtyping and beartype put what they make around all functions."""
    (tmp_path / "script.py").write_text(SCRIPT + TOLD)
    imported = ["-c", f"{hooks}import script"]
    paths = os.pathsep.join(str(path) for path in (tmp_path, SUPPORT, ROOT))
    said = set()
    for seed, command in (("1", imported), ("2", imported if hooks else ["script.py"])):
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONHASHSEED": seed}
        command = [sys.executable, *command]
        run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        said.add(run.stdout)
    assert len(said) == 1
    assert "code.Mine.utilities=" in said.pop()


def test_it_is_short_however_much_code_there_is():
    game = RewiringGame(num_users=6, degree=2)
    text = identity(agent=PPO(game, Ranking(GAT(layers=1, heads=2, width=2), width=4), 64, 4, 4))
    assert len(text) < 30_000
    assert "code.rewire=" in text
    assert "code.jax" not in text
    assert "code.flax" not in text
