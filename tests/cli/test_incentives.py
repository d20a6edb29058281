"""`jaxrec incentives`: what is printed, what is drawn, and what is refused."""

import json

import matplotlib.image
import pytest
from probes import Chain

import jaxrec
from jaxrec import registration
from jaxrec.cli import main
from jaxrec.wrappers import SafeShifts

SMALL = ["PolarisingUsers-v0", "--args", "horizon", "4"]
PATH = ["A_0", "theta_1", "clicked_2", "R_2"]


def test_users_stand_first_with_their_path(capsys, tmp_path):
    main(["incentives", *SMALL, "--out", str(tmp_path / "diagram.png")])
    out = capsys.readouterr().out
    lines = out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert rows[0] == ["theta_1", "control of users", "A_0 -> theta_1 -> clicked_2 -> R_2"]
    assert ["clicked_1", "control", "A_0 -> clicked_1 -> R_1"] in rows
    assert ["theta_0", "information", "-"] in rows
    assert not any(row[0].startswith(("factor", "initial_theta", "time")) for row in rows)
    assert "20 of the 21 dependences" in out
    assert "not clicked -> reward" in out
    assert "Users can be a means: A_0 -> theta_1 -> clicked_2 -> R_2" in lines
    assert lines[-1] == f"picture: {tmp_path / 'diagram.png'}"
    assert matplotlib.image.imread(tmp_path / "diagram.png").min() < 0.2, "something is drawn"


def test_without_influence_users_are_no_means(capsys):
    main(["incentives", *SMALL, "--params", "influence", "0", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["users"] is None
    assert ["action", "theta"] in found["unconfirmed"]
    assert "control of users" not in {row["incentive"] for row in found["incentives"]}


def test_json_has_the_same(capsys):
    main(["incentives", *SMALL, "--json", "--by", "program", "--samples", "64"])
    found = json.loads(capsys.readouterr().out)
    assert found["users"] == PATH
    assert found["incentives"][0] == {"node": "theta_1", "incentive": "control of users", "path": PATH}
    assert ["noise", "theta"] in found["found"]
    assert found["settings"]["by"] == "program"


def test_a_means_of_being_known_is_told_apart(capsys, monkeypatch):
    def initial():
        inside, _ = jaxrec.make("PolarisingUsers-v0", horizon=4, reward="penalised")
        return SafeShifts(inside, ("initial",), (1.0,))

    monkeypatch.setitem(registration._FACTORIES, "Initial-v0", initial)
    main(["incentives", "Initial-v0", "--params", "reward_weights.recommender", "0"])
    out = capsys.readouterr().out
    assert "Users can be a means of being known: A_0 -> env.theta_1 -> env.clicked_2 -> obs_2 -> A_2 -> " in out


def test_a_world_without_users_has_incentives_too(capsys, monkeypatch):
    monkeypatch.setitem(registration._FACTORIES, "Chain-v0", Chain)
    monkeypatch.setattr(Chain, "policies", {"random": lambda env, params: jaxrec.Random(env.action_space())})
    main(["incentives", "Chain-v0", "--samples", "64"])
    out = capsys.readouterr().out
    assert "Chain does not say which parts of its state are its users." in out
    assert "A_0 -> place_1 -> earned_2 -> R_2" in out


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["incentives", "--help"])
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in (
        "theta_1 is the user",
        "control of users",
        "Definition 1",
        "information from a node",
        "Example: jaxrec",
    ):
        assert word in out
    main([])
    assert "jaxrec incentives PolarisingUsers-v0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["PolarisingUser-v0"], "Did you mean 'PolarisingUsers-v0'?"),
        ([*SMALL, "--horizon", "0"], "horizon must be an integer of at least 1"),
        ([*SMALL, "--samples", "1"], "samples must be within"),
        ([*SMALL, "--policy", "bandits"], "Did you mean 'bandit'?"),
        ([*SMALL, "--seed", "-1"], "seed must be within"),
        ([*SMALL, "--params", "influence", "2"], "influence must be within [0.0, 1.0]"),
        ([*SMALL, "--out", "."], "exists, and is not overwritten"),
        ([*SMALL, "--out", "nowhere/diagram.png"], "no folder 'nowhere'"),
        ([*SMALL, "--out", "diagram.jpg"], "out must be a file that ends in .png, got 'diagram.jpg'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        main(["incentives", *argv])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_picture_is_never_overwritten(tmp_path):
    (tmp_path / "kept.png").write_bytes(b"mine")
    with pytest.raises(SystemExit):
        main(["incentives", *SMALL, "--out", str(tmp_path / "kept.png")])
    assert (tmp_path / "kept.png").read_bytes() == b"mine"
