"""`jaxrec sweep`: every point of a grid is the training that would have been made alone."""

import contextlib
import io
import itertools
import json

import numpy as np
import pytest

from jaxrec.cli import main
from jaxrec.experiments.runs.folder import RunFolder
from jaxrec.experiments.sweep import SweepConfig
from jaxrec.statistics import estimate

TINY = [
    "PolarisingUsers-v0", "--args", "horizon", "3", "--timesteps", "1200", "--seeds", "3", "--num-chunks", "2",
    "--evaluation-episodes", "20", "--q-learning.num-envs", "20", "--q-learning.num-steps", "3",
]  # fmt: skip
GRID = list(itertools.product((0.0, 0.9), (0.0, 1.0)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "sweep"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        main(["sweep", *TINY, "--over", "gamma=0,0.9", "--over", "params.influence=0,1", "--out", str(out)])
    (out.parent / "said.txt").write_text(said.getvalue())
    return out


@pytest.mark.slow
def test_each_point_is_the_training_alone(run, tmp_path):
    swept = RunFolder.open(run).read_measured()
    for at, (gamma, influence) in enumerate(GRID):
        out = tmp_path / str(at)
        one = ["--q-learning.gamma", str(gamma), "--params", "influence", str(influence), "--out", str(out)]
        main(["train", *TINY, *one])
        alone = RunFolder.open(out).read_measured()
        np.testing.assert_allclose(swept.reward[at], alone.reward, rtol=1e-6)
        for name, point in (("learned", swept.learned[at]), ("random", swept.random[at])):
            np.testing.assert_allclose(point.value, alone.played[name].value, rtol=1e-6)
            np.testing.assert_allclose(point.user, alone.played[name].user, rtol=1e-5)


@pytest.mark.slow
def test_the_report_is_a_table_and_a_picture(run):
    measured = RunFolder.open(run).read_measured()
    lines = (run / "report.md").read_text().splitlines()
    assert lines[0] == "# Sweep of q-learning in PolarisingUsers-v0: which setting earns most?"
    best = max(range(4), key=lambda at: measured.learned[at].value.mean())
    gamma, influence = GRID[best]
    said = f"- Which setting earns most? gamma {gamma:g}, params.influence {influence:g}: "
    assert lines[2].startswith(said + str(estimate(measured.learned[best].value)))
    assert lines[4] == "![returns](figures/returns.png)"
    said = (run.parent / "said.txt").read_text().splitlines()
    for at, (gamma, influence) in enumerate(GRID):
        start = f"| {gamma:g} | {influence:g} | {estimate(measured.learned[at].value)} |"
        assert sum(line.startswith(start) for line in lines) == 1
        printed = [line for line in said if f"{estimate(measured.learned[at].value)}" in line and "┃" not in line]
        assert any(line.split("│")[1:3] == [f" {gamma:<5g} ", f" {influence:<16g} "] for line in printed)
    assert len(json.loads((run / "results.json").read_text())["findings"]) == 8


def test_a_grid_is_all_combinations():
    config = SweepConfig(over=("gamma=0.5,0.9", "params.influence=0,1", "td_lambda=0.1"), seeds=2)
    config.check()
    points = [(0.5, 0.0), (0.5, 1.0), (0.9, 0.0), (0.9, 1.0)]
    assert [tuple(point.values()) for point in config.points()] == [(*point, 0.1) for point in points]
    (program,) = config.programs()
    params, swept = program.runs()
    np.testing.assert_allclose(swept["gamma"], np.repeat([gamma for gamma, _ in points], 2))
    np.testing.assert_allclose(params.influence, np.repeat([influence for _, influence in points], 2))


def test_what_is_compiled_makes_programs():
    config = SweepConfig(over=("args.horizon=2,3", "gamma=0.5,0.9", "step_size=visits,geometric"), seeds=2)
    config.check()
    programs = config.programs()
    assert [program.name for program in programs] == [
        f"args.horizon {horizon}, step_size {size}" for horizon in (2, 3) for size in ("visits", "geometric")
    ]
    assert [program.places for program in programs] == [(0, 2), (1, 3), (4, 6), (5, 7)]
    points = config.points()
    for program in programs:
        env, _ = program.config.world()
        assert program.points == ({"gamma": 0.5}, {"gamma": 0.9})
        for place in program.places:
            assert (env.horizon, program.config.q_learning.step_size) == (
                points[place]["args.horizon"],
                points[place]["step_size"],
            )
    network = SweepConfig(agent="ppo", over=("num_layers=1,3", "num_steps=16,32"))
    widths = [(len(one.config.learner(one.config.world()[0]).network.hidden), one.config.ppo.num_steps) for one in
              network.programs()]  # fmt: skip
    assert widths == [(1, 16), (1, 32), (3, 16), (3, 32)]


def test_a_truth_value_is_no_number():
    """They are equal, and yet another program each."""
    programs = SweepConfig(over=("args.horizon=True,1",)).programs()
    assert [program.config.args for program in programs] == [("horizon=True",), ("horizon=1",)]


@pytest.mark.slow
def test_each_program_is_the_training_alone(tmp_path):
    grid, out = ["--over", "num_envs=10,20", "--over", "gamma=0,0.9"], tmp_path / "sweep"
    main(["sweep", *TINY, *grid, "--out", str(out)])
    swept = RunFolder.open(out).read_measured()
    lines = (out / "report.md").read_text().splitlines()
    policies = ["001-training, 0 ... 2", "001-training, 3 ... 5", "002-training, 0 ... 2", "002-training, 3 ... 5"]
    for at, (num_envs, gamma) in enumerate(itertools.product((10, 20), (0.0, 0.9))):
        alone = tmp_path / str(at)
        one = ["--q-learning.num-envs", str(num_envs), "--q-learning.gamma", str(gamma), "--out", str(alone)]
        main(["train", *TINY, *one])
        found = RunFolder.open(alone).read_measured()
        np.testing.assert_array_equal(swept.steps[at], found.steps)
        np.testing.assert_allclose(swept.reward[at], found.reward, rtol=1e-6)
        np.testing.assert_allclose(swept.learned[at].value, found.played["learned"].value, rtol=1e-6)
        assert sum(line.startswith(f"| {num_envs} | {gamma:g} |") and policies[at] in line for line in lines) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["PolarisingUsers-v0"], "over must name at least one setting"),
        (["PolarisingUsers-v0", "--over", "learning_rate=1e-3"], "that may be swept of QLearning 'learning_rate'"),
        (["PolarisingUsers-v0", "--over", "gamma=0,2"], "over: gamma must be within [0.0, 1.0]"),
        (["PolarisingUsers-v0", "--over", "num_step=1,2"], "Did you mean 'num_steps'?"),
        (["PolarisingUsers-v0", "--over", "num_steps=1,0"], "num_steps must be an integer of at least 1, got 0"),
        (["PolarisingUsers-v0", "--over", "num_steps=1,1.5"], "num_steps must be an integer, got 1.5"),
        (["PolarisingUsers-v0", "--over", "num_steps=1,1"], "over must have each value once"),
        (["PolarisingUsers-v0", "--over", "args.horizon=0"], "horizon must be an integer of at least 1"),
        (["PolarisingUsers-v0", "--over", "args.horizn=3"], "Did you mean 'horizon'?"),
        (["PolarisingUsers-v0", "--over", "step_size=visit"], "Did you mean 'visits'?"),
        (["--resume", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_no_folder(argv, message, capsys, tmp_path):
    out = [] if "--resume" in argv else ["--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as stop:
        main(["sweep", *argv, *out])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "--help"])
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in ("jaxrec sweep --resume DIR", "--over learning_rate=1e-4,3e-4", "params.NAME"):
        assert word in out
    main([])
    assert "jaxrec sweep PolarisingUsers-v0" in capsys.readouterr().out
