"""Trained policies on disk: they come back as they were, in a process that trains nothing, or are refused."""

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import zipfile
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kept_policies import KEYS, RUNS, same, trained
from paths import ROOT
from probes import Chain, Cue

import jaxrec
from jaxrec import InputError
from jaxrec.agents import GAT, LSTM, MLP, PPO, NetworkPolicy, NodeMLP, QLearning, Ranking
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.training import fit, policy_files


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A folder of tables learned in a chain, and the last of them."""
    folder = tmp_path_factory.mktemp("chain")
    agent = QLearning(Chain(), 384, num_envs=4, num_steps=8)
    return folder, jax.vmap(agent.policy)(trained(agent, folder))


SOCIETY = RewiringGame(num_users=6, degree=2)
NETWORKS = {
    "mlp": (Chain(), MLP(2, (8, 4), jax.nn.relu)),
    "lstm": (Cue(), LSTM(2, width=4)),
    "nodes": (SOCIETY, Ranking(NodeMLP((4,)), width=4, pooling="sum")),
    "graph": (SOCIETY, Ranking(GAT(layers=1, heads=2, width=2), width=4)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_comes_back_bit_for_bit_and_acts_the_same(name, tmp_path):
    env, network = NETWORKS[name]
    obs, _ = env.reset(jax.random.key(0))
    weights = jax.jit(jax.vmap(network.init, in_axes=(0, None, None)))(KEYS, network.initialize_carry(), obs)
    policy = NetworkPolicy(weights, network, greedy=False)
    policy_files.write(tmp_path, policy, 4, policy, np.zeros(RUNS), np.zeros(RUNS, int), env=env)
    back = jaxrec.load_policy(tmp_path, run=None)
    same(back, policy)
    act = jax.jit(lambda policy: jax.vmap(lambda one: one.act(one.init(KEYS[0]), obs, KEYS[0]))(policy))
    same(act(back), act(policy))
    for run in range(RUNS):
        same(jaxrec.load_policy(tmp_path, run), jax.tree.map(lambda leaf, run=run: leaf[run], policy))


def test_tables_come_back_bit_for_bit(chain):
    folder, learned = chain
    same(jaxrec.load_policy(folder, run=None), jax.tree.map(jnp.asarray, learned))
    one = jaxrec.load_policy(folder, 1)
    assert one.env == Chain()
    same(one.q, learned.q[1])


LOADS = """
import sys, jax, jaxrec
policy = jaxrec.load_policy(sys.argv[1])
env, _ = jaxrec.make("PolarisingUsers-v0", horizon=4)
print(float(jaxrec.rollout(env, policy, jax.random.key(1), 64, 8).per_env["reward"].mean()))
"""
AGENTS = {"table": lambda env: QLearning(env, 64, 4, 4), "ppo": lambda env: PPO(env, MLP(3, (4,)), 64, 4, 4)}


@pytest.mark.parametrize("name", ["table", "ppo"])
@pytest.mark.slow
def test_trained_here_used_in_another_process_and_nothing_compiles_twice(name, tmp_path):
    from jax._src import test_util

    env, _ = jaxrec.make("PolarisingUsers-v0", horizon=4)
    agent = AGENTS[name](env)
    state = trained(agent, tmp_path / "first")
    with test_util.count_jit_compilation_cache_miss() as compiled:
        trained(agent, tmp_path / "second")
    assert compiled() == 0
    policy = agent.policy(jax.tree.map(lambda leaf: leaf[0], state))
    expected = jaxrec.rollout(env, policy, jax.random.key(1), 64, 8).per_env["reward"].mean()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LOADS, str(tmp_path / "second")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert float(told) == float(expected)


def test_the_text_says_what_each_run_was_given(tmp_path):
    """Which of several policies is which."""
    agent = QLearning(Chain(), 64, num_envs=4, num_steps=8)
    params = jaxrec.batched(Chain().default_params, RUNS).replace(influence=np.array([0.0, 0.5]))
    fit(agent, KEYS, params, 2, checkpoints=tmp_path, swept={"epsilon_end": np.array([0.25, 0.5])})
    about = policy_files.read(tmp_path).about
    assert about["keys"] == {"impl": "threefry2x32", "data": jax.random.key_data(KEYS).tolist()}
    assert about["params"]["fields"]["influence"] == [0.0, 0.5]
    assert about["swept"] == {"items": {"epsilon_end": [0.25, 0.5]}}


def test_of_a_large_parameter_the_text_says_how_large(tmp_path):
    given = {"params": {"table": np.zeros((2, 1000)), "rate": np.array([np.inf, 1.0])}}
    policy_files.write(tmp_path, {}, 0, {}, np.zeros(2), np.zeros(2, int), given)
    table, rate = policy_files.read(tmp_path).about["params"]["items"].values()
    assert (table, rate) == ("float64[2, 1000]", [{"float": "inf"}, 1.0])


def test_a_file_that_does_not_say_what_runs_were_given_is_read(chain, tmp_path):
    folder, last = chain
    older = ("keys", "params")
    rewritten(folder, tmp_path / "old", lambda about: {name: about[name] for name in about if name not in older})
    same(jaxrec.load_policy(tmp_path / "old", run=None), last)


MINE = """
import dataclasses
from probes import Chain

@dataclasses.dataclass(unsafe_hash=True)
class Mine(Chain):
    pass
"""


def test_a_world_of_a_script_is_told_of_when_its_policy_is_written(tmp_path, monkeypatch):
    """Not only when it is to be loaded; and what the warning says to do helps, without training again."""
    script = {"__name__": "__main__"}
    exec(MINE, script)
    with pytest.warns(
        UserWarning, match="none can import __main__:Mine: define that at the top level of a mod"
    ) as told:
        state = trained(QLearning(script["Mine"](), 64, num_envs=4, num_steps=8), tmp_path)
    assert len(told) == 1
    module = ModuleType("mine")
    exec(MINE, module.__dict__)
    monkeypatch.setitem(sys.modules, "mine", module)
    again = trained(QLearning(module.Mine(), 64, num_envs=4, num_steps=8), tmp_path)
    same(again.q, state.q)
    assert isinstance(jaxrec.load_policy(tmp_path).env, module.Mine)


def test_what_no_other_program_can_import_is_named_in_a_line(tmp_path):
    @dataclasses.dataclass
    class Here:
        function: object

    def told(policy):
        return policy_files.write(tmp_path, policy, 0, policy, np.zeros(2), np.zeros(2, int))

    assert told({"a": jnp.tanh, "b": np.zeros(2)}) == ""
    assert f"import {__name__}:{told.__qualname__.replace('told', 'Here')}: define" in told(Here(jnp.tanh))
    assert "<lambda>: define" in told([{"a": Everything((), 0.0, np.zeros(2), lambda x: x, {})}])
    text = told({"a": type("Long", (), {"__repr__": lambda _: "long\n" * 99})()})
    assert "import long: define" in text
    assert "\n" not in text


def rewritten(folder, to, change):
    """The file again, with another text."""
    to.mkdir()
    content = io.BytesIO()
    with zipfile.ZipFile(folder / policy_files.FILE) as old, zipfile.ZipFile(content, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, json.dumps(change(json.loads(text))) if name == "about.json" else text)
    (to / policy_files.FILE).write_bytes(content.getvalue())


def within(policy, **fields):
    """The policy of the text with other entries and fields."""
    return lambda about: (
        about
        | {
            "policy": about["policy"] | policy | {"fields": about["policy"]["fields"] | fields},
        }
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about | {"format": 3}, "is of version 3, written by jaxrec .*reads up to 2: update jaxrec"),
        (lambda about: about | {"format": 1}, "is of version 1, written before the first release.*: train again"),
        (lambda about: {}, "cannot be read: KeyError: 'format'"),
        (within({"class": "nowhere:Policy"}), "made of nowhere:Policy, which cannot be imported"),
        (within({"class": "jaxrec.agents:Missing"}), "made of jaxrec.agents:Missing, which cannot be imported"),
        (within({"class": "os:system"}, command="true"), "os:system is no dataclass"),
        (within({}, epsilon={"unknown": "<object>"}), "holds what no file can: <object>"),
        (within({}, q={"array": "r", "type": "float32"}), "cannot be read: KeyError"),
        (within({}, sedes=1), "cannot be read: TypeError: .*sedes"),
    ],
)
def test_what_it_cannot_be_made_of_is_refused(change, message, chain, tmp_path):
    folder, _ = chain
    rewritten(folder, tmp_path / "changed", change)
    with pytest.raises(InputError, match=message):
        jaxrec.load_policy(tmp_path / "changed")


@pytest.mark.parametrize("content", [b"", b"half", "truncated"], ids=["empty", "no zip", "truncated"])
def test_what_cannot_be_read_is_refused(content, chain, tmp_path):
    folder, _ = chain
    whole = (folder / policy_files.FILE).read_bytes()
    (tmp_path / policy_files.FILE).write_bytes(whole[: len(whole) // 2] if content == "truncated" else content)
    with pytest.raises(InputError, match="cannot be read"):
        jaxrec.load_policy(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of zipfile, where a wrong byte makes two names one
def test_a_wrong_byte_in_the_heads_changes_nothing_or_is_refused(chain, tmp_path):
    folder, _ = chain
    whole, table = (folder / policy_files.FILE).read_bytes(), np.asarray(jaxrec.load_policy(folder).q)
    heads = [place for place in range(len(whole) - 1) if whole[place : place + 2] == b"PK"]
    places = [head + offset for head in heads for offset in range(6, 46, 3) if head + offset < len(whole)]
    kept = 0
    for place in places:
        (tmp_path / policy_files.FILE).write_bytes(whole[:place] + bytes([whole[place] ^ 9]) + whole[place + 1 :])
        with contextlib.suppress(InputError):
            np.testing.assert_array_equal(jaxrec.load_policy(tmp_path).q, table)
            kept += 1
    assert 0 < kept < len(places)


def test_no_folder_no_policy_several_trainings(chain, tmp_path):
    folder, last = chain
    with pytest.raises(InputError, match=r"there is no folder '.*nowhere'"):
        jaxrec.load_policy(tmp_path / "nowhere")
    with pytest.raises(InputError, match="there is no policy in"):
        jaxrec.load_policy(tmp_path)
    for number in (1, 2):
        training = tmp_path / "checkpoints" / f"00{number}-training"
        training.mkdir(parents=True)
        (training / policy_files.FILE).write_bytes((folder / policy_files.FILE).read_bytes())
        if number == 1:
            same(jaxrec.load_policy(tmp_path, run=None), last)
    with pytest.raises(InputError, match=r"has several trainings, name one: .*001-training; .*002-training"):
        jaxrec.load_policy(tmp_path)
    same(jaxrec.load_policy(training, run=None), last)


def test_runs_that_are_not_there(chain, untyped):
    for run in (2, -1, True, "1"):
        with pytest.raises(InputError, match=r"run must be an integer in 0 ... 1, or None"):
            jaxrec.load_policy(chain[0], run)


def test_cells_that_were_never_visited_take_no_room_and_the_file_tells_no_time(tmp_path):
    table = {"q": np.full((2, 100_000), 0.5, np.float32)}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        policy_files.write(tmp_path / name, table, 4, table, np.zeros(2), np.zeros(2, int))
    assert (tmp_path / "one" / policy_files.FILE).stat().st_size < table["q"].nbytes / 50
    same(jaxrec.load_policy(tmp_path / "one", run=None), jax.tree.map(jnp.asarray, table))
    with zipfile.ZipFile(tmp_path / "two" / policy_files.FILE) as archive:
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@dataclasses.dataclass(frozen=True)
class Everything:
    """What policies may be made of."""

    numbers: tuple
    infinite: float
    bits: jax.Array
    function: object
    by_name: dict


def test_values_of_every_kind_come_back(tmp_path):
    value = Everything((1, (2.5, True, None)), -np.inf, jnp.arange(2, dtype=jnp.bfloat16), jnp.tanh, {"a": "b"})
    policy_files.write(tmp_path, value, 0, value, np.zeros(2), np.zeros(2, int), env=value, other=object())
    back = policy_files.read(tmp_path).last
    assert dataclasses.replace(back, bits=0) == dataclasses.replace(value, bits=0)
    assert back.bits.dtype == jnp.bfloat16
    np.testing.assert_array_equal(back.bits, value.bits)
