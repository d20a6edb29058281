"""The command `jaxrec`, as a process and as a function."""

import dataclasses
import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from nested import leaves

import jaxrec
from jaxrec.cli import main
from jaxrec.experiments import STUDIES
from jaxrec.experiments.reports.claims import Claim, above
from jaxrec.experiments.reports.report import Answer, Report


def test_overview_and_help(capsys):
    for argv in ([], ["--help"]):
        main(argv)
        out = capsys.readouterr().out
        assert all(command in out for command in ("list", "run", "report", "rollout", "bench"))
    for command in ("list", "report", "rollout", "bench"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        assert "help" in capsys.readouterr().out


def test_help_of_a_study_explains_every_setting(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "tampering", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for name, _ in leaves(type(STUDIES["tampering"].presets["quick"])):
        assert f"--{name.replace('_', '-')}" in out
    assert "--out" in out
    assert "quick,paper,converged" in out


def test_list_names_everything(capsys):
    main(["list"])
    out = capsys.readouterr().out
    assert all(env_id in out for env_id in jaxrec.registered_envs())
    assert all(name in out for name in STUDIES)
    assert "bandit" in out


@pytest.mark.parametrize(
    ("argv", "title", "rows"),
    [
        (["rewiring-santos"], "rewiring-santos, preset quick: 3 claims", [
            ["W at which half of the runs end in cooperation", "between 3.7 and 4.1",
             "Santos et al. 2006: between 3.7 and 4.1; interval by bootstrap over runs"],
            ["runs that end in cooperation: largest deviation of 5 cells, in standard errors (holds below)", "< 2.569",
             "independent program; largest at ..."],
            ["W = 0: no run ends in cooperation: largest deviation of 1 cells, in standard errors (holds below)",
             "< 1.96", "independent program; largest at ..."],
        ]),
        (["preference-shift", "--preset", "pareto"], "preference-shift, preset pareto: 45 claims", [
            ["r(u_t): rl beyond myopic", "above 0", "Carroll et al., Table 1"],
            ["rl, nu = 0.25: users within 40 degrees of 80 at the end", "-", "Figures 1 and 7"],
        ]),
    ],
)  # fmt: skip
def test_list_prints_the_claims_of_a_study(argv, title, rows, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")  # so that no row is broken
    main(["list", *argv])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.strip() == title
    shown = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert all(row in shown for row in rows)
    assert len(shown) == int(title.split()[-2])


def test_a_preset_says_what_it_costs(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "quick (2 min), paper (35 min), converged (23 min)" in capsys.readouterr().out


def test_the_version_is_said(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"jaxrec {jaxrec.__version__}\n"


def test_ctrl_c_is_one_line_also_where_nothing_is_kept(capsys, monkeypatch):
    def stopped(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxrec.cli.rollouts.rollout_command", stopped)
    with pytest.raises(SystemExit) as stop:
        main(["rollout", "PolarisingUsers-v0"])
    assert stop.value.code == 130
    assert capsys.readouterr().err == "jaxrec: interrupted\n"


def test_rollout_prints_a_table_and_json(capsys, tmp_path):
    argv = ["rollout", "PolarisingUsers-v0", "--policy", "always-right", "--num-envs", "50", "--num-steps", "60"]
    main(argv)
    assert "episode_return" in capsys.readouterr().out
    main([*argv, "--json", "--out", str(tmp_path / "m.json"), "--params", "influence", "0", "--args", "horizon", "5"])
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "m.json").read_text()
    result = json.loads(printed)
    assert result["metrics"]["right"]["value"] == 1
    assert result["metrics"]["polarisation"]["value"] == 0
    assert 0 < result["metrics"]["episode_return"]["value"] < 5
    assert result["settings"]["args"] == {"horizon": "5"}


def test_rollout_takes_a_population(capsys):
    argv = [
        "rollout",
        "PolarisingUsers-v0",
        "--policy",
        "always-left",
        "--num-envs",
        "9",
        "--num-steps",
        "30",
        "--json",
    ]
    main([*argv, "--params", "population", "[[1.0, 0.0, 0.0]]"])
    assert json.loads(capsys.readouterr().out)["metrics"]["episode_return"]["value"] == 30


def test_bench_reports_compilation_apart(capsys):
    main(["bench", "PolarisingUsers-v0", "--num-envs", "10", "--num-steps", "30", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["steps"] == 300
    assert result["compile_s"] > 0
    assert len(result["runs_s"]) == 5


def test_run_writes_a_folder_with_changed_settings(capsys, tmp_path, monkeypatch):
    def measure(config, tools):
        tools.meter.start(f"training {config.seeds} seeds", 1)
        tools.meter.advance()
        return {"clicks": np.array([config.episodes, 301.0])}

    def claims(config):
        return [Claim("clicks", lambda measured: measured["clicks"], above(1.0), "nobody")]

    def report(config, measured, findings):
        return Report("A title", "A summary", answers=[Answer(f"They click {findings[0].estimate} times.")])

    changed = dataclasses.replace(
        STUDIES["tampering"], measure=measure, claims=claims, report=report, limits={"paper": "the rest"}
    )
    monkeypatch.setitem(STUDIES, "tampering", changed)
    out = tmp_path / "run"
    changes = "--seeds 2 --episodes 300 --q-learning.gamma 0.5"
    main(["run", "tampering", "--preset", "paper", "--out", str(out), *changes.split()])
    config = json.loads((out / "manifest.json").read_text())["config"]
    assert config["episodes"] == 300
    assert config["q_learning"]["gamma"] == 0.5
    assert config["q_learning"]["step_size"] == "geometric", "the rest is the preset's"
    printed = capsys.readouterr()
    said = [
        "- They click 300.500 [294.147, 306.853] times.",
        "What this run cannot show: the rest (said of the preset; this run has its own seeds, episodes, "
        "q_learning.gamma)",
        "1 claim: 1 hold, 0 do not",
        f"report: {out / 'report.md'}",
    ]
    assert printed.out.splitlines() == said
    main(["report", str(out)])
    assert capsys.readouterr().out.splitlines() == said
    assert "training 2 seeds" in printed.err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["rum"], "Did you mean 'run'?"),
        (["run", "tamperin"], "Did you mean 'tampering'?"),
        (["list", "tamperin"], "Known: 'audit', 'audits', 'mitigations', 'offline', "),
        (["list", "tampering", "--preset", "quack"], "Did you mean 'quick'?"),
        (["list", "--preset", "quick"], "--preset quick is of a study: name it before"),
        (["run", "tampering", "--preset", "quack"], "Did you mean 'quick'?"),
        (["run", "tampering", "--seeds", "0"], "seeds must be an integer of at least 1"),
        (["run", "tampering", "--out", "."], "exists"),
        (["run", "tampering", "--resume"], "argument --resume: expected one argument"),
        (["rollout", "PolarisingUser-v0"], "Did you mean 'PolarisingUsers-v0'?"),
        (["rollout", "PolarisingUsers-v0", "--policy", "bandits"], "Did you mean 'bandit'?"),
        (["rollout", "PolarisingUsers-v0", "--num-envs", "0"], "num_envs"),
        (["rollout", "PolarisingUsers-v0", "--num-steps", "-1"], "num_steps"),
        (["rollout", "PolarisingUsers-v0", "--seed", "-1"], "seed must be within"),
        (["rollout", "PolarisingUsers-v0", "--params", "influence", "1.5"], "influence must be within [0.0, 1.0]"),
        (["rollout", "PolarisingUsers-v0", "--params", "influence", "nan"], "influence"),
        (["rollout", "PolarisingUsers-v0", "--params", "influence", "much"], "influence"),
        (["rollout", "PolarisingUsers-v0", "--params", "infuence", "1"], "Did you mean 'influence'?"),
        (
            ["rollout", "PolarisingUsers-v0", "--params", "population", "[[0.1, 0.2]]"],
            "population must have shape [n, 3]",
        ),
        (["rollout", "PolarisingUsers-v0", "--args", "horizon", "0"], "horizon"),
        (["rollout", "PolarisingUsers-v0", "--out", "."], "exists"),
        (["rollout", "PolarisingUsers-v0", "--out", "nowhere/m.json"], "no folder 'nowhere'"),
        (
            ["rollout", "PolarisingUsers-v0", "--params", "population", "[[0.1], [0.2, 0.3]]"],
            "population must be a number",
        ),
        (["bench", "PolarisingUsers-v0", "--policy", "x"], "unknown policy"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("said", ["RESOURCE_EXHAUSTED: of 264 GB\nhere", "INTERNAL: Out of memory\nthere"])
def test_too_little_memory_is_one_line(said, capsys, monkeypatch):
    def rollout(*_, **__):
        raise jax.errors.JaxRuntimeError(said)

    monkeypatch.setattr("jaxrec.cli.rollouts.evaluate", rollout)
    with pytest.raises(SystemExit) as stop:
        main(["rollout", "PolarisingUsers-v0"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"jaxrec: this needs more memory than there is: {said.splitlines()[0]}\n"


def test_as_a_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "jaxrec", "rollout", "Nothing-v0"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert "unknown environment 'Nothing-v0'" in done.stderr
    assert not list(tmp_path.iterdir())
