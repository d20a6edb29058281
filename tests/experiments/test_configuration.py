"""Configurations from files and manifests: right ones are taken, every kind of wrong value is refused in one line."""

import dataclasses
import json
import math
import re
import typing

import hypothesis
import hypothesis.strategies as st
import pytest
import survivor
from nested import leaves, nested

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.polarising.tampering.study import TamperingConfig
from jaxrec.experiments.runs import configuration

FIELDS = [
    (name, *leaf)
    for name, preset in ((name, next(iter(each.presets.values()))) for name, each in STUDIES.items())
    for leaf in leaves(type(preset))
]


def wrong_type(kind):
    """Values of every type that JSON and TOML have but `kind`; `kind` is an annotation of a configuration."""
    if typing.get_origin(kind) is tuple:
        first, second = typing.get_args(kind)
        lists = wrong_type(first).map(lambda value: [value])
        return scalars() | st.dictionaries(st.text(), st.integers()) | (lists if second is ... else st.just([]))
    right = {bool: bool, int: int, float: (int, float)}.get(kind, str)
    anything = scalars() | st.lists(st.integers(), max_size=3) | st.dictionaries(st.text(), st.integers())
    if kind is float:
        anything = anything.filter(lambda value: value not in configuration.NOT_FINITE)
    return anything.filter(lambda value: not isinstance(value, right) or (isinstance(value, bool) and kind is not bool))


def scalars():
    return st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates()


@pytest.mark.parametrize(("name", "field", "kind"), FIELDS, ids=[f"{name}-{field}" for name, field, _ in FIELDS])
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=3, deadline=None)  # for each of hundreds of fields
def test_a_value_of_a_wrong_type_is_refused(name, field, kind, data):
    value = data.draw(wrong_type(kind))
    preset = next(iter(STUDIES[name].presets.values()))
    with pytest.raises(jaxrec.InputError, match=field.replace(".", ": ")) as error:
        configuration.changed(preset, nested({field: value}))
    assert "\n" not in str(error.value)
    written = nested(configuration.flat(configuration.to_json(preset)) | {field: value})
    with pytest.raises(jaxrec.InputError, match=re.escape(str(error.value))):
        configuration.from_json(type(preset), written)


NUMBERS = (0, -1, 1, 7, 2**31, 2**63 - 1, -(2**63), 2**63, 10**400, 0.0, 0.5, -0.5, 3.0, 1e300, -1e300, 1e-320,
           float("inf"), -float("inf"), float("nan"), "inf", "nan")  # fmt: skip
EXTREME = st.sampled_from((*NUMBERS, "", "mlp", [], *([number] for number in NUMBERS), [0, 0], [10, 30], ["x"], [[1]]))


def legal_or_refused(name, changes):
    """Whether; whatever else is raised is raised here too."""
    try:
        config = configuration.changed(next(iter(STUDIES[name].presets.values())), nested(changes))
        config.check()
    except jaxrec.InputError:
        return False
    assert "nan" not in repr(dataclasses.astuple(config))
    return True


BUILDERS = (
    "audits",
    "preference-shift",
    "preference-simulation",
    "proxy",
    "retraining-rounds",
    "rewiring-learning",
    "rewiring-market",
)
"""Studies that build their recommenders in order to check them, which takes longer."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in BUILDERS else name for name in STUDIES]
)
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=100, deadline=None)
def test_extreme_values_are_legal_or_refused(name, data):
    fields = [field for study, field, _ in FIELDS if study == name]
    names = data.draw(st.lists(st.sampled_from(fields), min_size=1, max_size=3, unique=True))
    legal_or_refused(name, {field: data.draw(EXTREME) for field in names})


@pytest.mark.parametrize("field", ["hidden_size", "ppo.num_envs", "ppo.learning_rate", "penalties", "seed"])
def test_extreme_values_of_recommenders(field):
    """Nothing so large is built, no number that is none gets through."""
    legal = [value for value in NUMBERS if legal_or_refused("preference-shift", {field: value})]
    lists = [value for value in NUMBERS if legal_or_refused("preference-shift", {field: [value]})]
    assert bool(lists) == (field == "penalties") == (not legal)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": [], "steps": []}, "users must have at least one value"),
        ({"networks": []}, "networks must have at least one value"),
        ({"rewards": []}, "rewards must have at least one value"),
        ({"evaluation_users": [], "evaluation_episodes": []}, "evaluation_users must have at least one value"),
        ({"seed": 2**31}, "seed must be within"),
        ({"gae_lambdas": [0.5]}, r"gae_lambdas must be a list of 2, got \[0.5\]"),
        ({"gae_lambdas": [0.5, "much"]}, r"gae_lambdas\[1\] must be a number.*, got 'much'"),
        ({"gae_lambdas": [0.8, 5.0]}, r"gae_lambdas must be within \[0.0, 1.0\], got 5.0"),
        ({"ent_coefs": [0.0, math.nan]}, "ent_coefs must be within"),
        ({"gat_layers": 2**31}, r"gat_layers must be within \[1, 64\], got 2147483648"),
        ({"warm_start": 1}, "warm_start must be true or false, got 1"),
        ({"num_envs": 2**64}, "num_envs must be a number of at most 64 bits, got one of 65"),
    ],
)
def test_what_learning_refuses(changes, message):
    with pytest.raises(jaxrec.InputError, match=message):
        configuration.changed(STUDIES["rewiring-learning"].presets["quick"], changes).check()


TOML = 'preset = "paper"\nseeds = 2\n[q_learning]\ngamma = 1\ntd_lambda = 0.5\nstep_size = "visits"\n'
LEARNER = {"gamma": 1, "td_lambda": 0.5, "step_size": "visits"}
JSON = json.dumps({"study": "tampering", "preset": "paper", "seeds": 2, "q_learning": LEARNER})
PAPER = STUDIES["tampering"].presets["paper"]
ASKED = dataclasses.replace(
    PAPER,
    seeds=2,
    q_learning=dataclasses.replace(PAPER.q_learning, gamma=1.0, td_lambda=0.5, step_size="visits"),
)


@pytest.mark.parametrize(("suffix", "text"), [("toml", TOML), ("json", JSON), ("json", "\ufeff" + JSON)])
def test_a_file_changes_a_preset(suffix, text, tmp_path):
    file = tmp_path / f"settings.{suffix}"
    file.write_text(text, encoding="utf-8")
    assert study("tampering").read(file) == ("paper", ASKED)
    assert isinstance(study("tampering").read(file)[1].q_learning.gamma, float)
    assert study("tampering").read(str(file), "quick")[1].episodes == STUDIES["tampering"].presets["quick"].episodes


def test_a_manifest_is_such_a_file(tmp_path):
    config = survivor.Config(seeds=2, slopes=(3.0,), num_chunks=1)
    run = survivor.STUDY.run("long", config, tmp_path / "run")
    assert survivor.STUDY.read(run / "manifest.json") == ("long", config)
    with pytest.raises(jaxrec.InputError, match="settings of the study 'survivor', not of 'tampering'"):
        study("tampering").read(run / "manifest.json")


def test_the_command_line_goes_before_the_file_before_the_preset(tmp_path, monkeypatch):
    monkeypatch.setitem(STUDIES, "survivor", survivor.STUDY)
    (tmp_path / "c.toml").write_text('preset = "long"\nseeds = 2\nslopes = [1]\n')
    argv = ["run", "survivor", "--config", str(tmp_path / "c.toml"), "--out", str(tmp_path / "run"), "--slopes", "0.5"]
    main(argv)
    about = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert about["preset"] == "long"
    assert about["config"] == {"seed": 0, "seeds": 2, "slopes": [0.5], "num_chunks": 12, "ceiling": "inf"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.toml", "episode = 1", "unknown setting 'episode'. Did you mean 'episodes'?"),
        ("c.toml", "seeds = 0", "seeds must be an integer of at least 1, got 0"),
        ("c.toml", "seeds = 2.0", "seeds must be an integer, got 2.0"),
        ("c.toml", "seeds = true", "seeds must be an integer, got True"),
        ("c.toml", 'seeds = "2"', "seeds must be an integer, got '2'"),
        ("c.toml", "seeds = [2]", "seeds must be an integer, got [2]"),
        ("c.toml", "seeds = 2026-01-01", "seeds must be an integer, got datetime.date(2026, 1, 1)"),
        ("c.toml", "seeds = 99999999999999999999", "seeds must be a number of at most 64 bits, got one of 67"),
        ("c.toml", f"seeds = 0x{'f' * 9999}", "seeds must be a number of at most 64 bits, got one of 39996"),
        ("c.toml", f"seeds = [0x{'f' * 9999}]", "seeds must be an integer, got a list"),
        ("c.toml", f"seeds = {'9' * 9999}", "is no TOML"),
        ("c.toml", "q_learning.gamma = nan", "q_learning: gamma must be within [0.0, 1.0], got nan"),
        ("c.toml", "q_learning.visit_weight = -inf", "q_learning: visit_weight must be within [1.0, inf], got -inf"),
        ("c.toml", '[q_learning]\nstep_size = "visit"', "unknown step_size 'visit'. Did you mean 'visits'?"),
        ("c.toml", "q_learning.step_size = 3", "step_size must be a string, got 3"),
        ("c.toml", "[seeds]\nfirst = 1", "seeds must be an integer, got {'first': 1}"),
        ("c.toml", "[tampering]\nseeds = 1", "unknown setting 'tampering'"),
        ("c.toml", "q_learning = 3", "q_learning: settings must be a table, got 3"),
        ("c.toml", "q_learning.gama = 1", "q_learning: unknown setting 'gama'. Did you mean 'gamma'?"),
        ("c.toml", "seeds = 1\nseeds = 2", "is no TOML: Cannot overwrite a value"),
        ("c.toml", "seeds = ", "is no TOML: Invalid value"),
        ("c.toml", 'preset = "quack"', "unknown preset of tampering 'quack'. Did you mean 'quick'?"),
        ("c.toml", "preset = [1]", "unknown preset of tampering '[1]'"),
        ("c.toml", 'study = "rewiring"', "settings of the study 'rewiring', not of 'tampering'"),
        ("c.toml", "", "is empty"),
        ("c.json", " \n", "is empty"),
        ("c.json", '{"seeds": null}', "seeds must be an integer, got None"),
        ("c.json", '{"q_learning": {"gamma": 1e999}}', "gamma must be within [0.0, 1.0], got inf"),
        ("c.json", '{"q_learning": {"gamma": NaN}}', "gamma must be within [0.0, 1.0], got nan"),
        ("c.json", '{"seeds": 1, "seeds": 2}', "is no JSON: 'seeds' stands there twice"),
        ("c.json", '{"seeds": 1,', "is no JSON"),
        ("c.json", f'{{"seeds": {"9" * 9999}}}', "is no JSON"),
        ("c.json", "[1]", "must hold a table of settings, got [1]"),
        ("c.json", "[" * 100_000, "is nested too deeply"),
        ("c.json", '{"study": "tampering", "config": [1]}', "settings must be a table, got [1]"),
        ("c.json", '{"config": {"sed": 1}}', "unknown setting 'sed'. Did you mean 'seed'?"),
        ("c.yaml", "seeds: 2", "is no JSON"),
        ("c.json", b'{"seeds": "\xff"}', "must be UTF-8"),
        ("c.json", b"\x00\x00", "is no JSON"),
        ("folder.json", None, "cannot be read: Is a directory"),
        ("nowhere/c.json", None, "cannot be read: No such file"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line_that_names_it(name, content, message, tmp_path, capsys):
    (tmp_path / "folder.json").mkdir()
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SystemExit) as stop:
        main(["run", "tampering", "--config", str(file), "--out", str(tmp_path / "run")])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert f"jaxrec: {str(file)!r}" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_python_is_held_to_the_same_types(tmp_path, untyped):
    for change in ({"seeds": 2.0}, {"q_learning": None}, {"episodes": None}, {"num_chunks": object()}):
        with pytest.raises(jaxrec.InputError, match=next(iter(change))):
            study("tampering").run(config=dataclasses.replace(TamperingConfig(), **change), out=tmp_path / "run")
    assert not list(tmp_path.iterdir())
