"""What `simulate` and `per_run` are given: wrong in any way, one line says what and what is allowed."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.preference import PreferenceParams
from jaxrec.envs.rewiring import Competition, Heuristic, RewiringGame, RewiringParams, heuristic, per_run, simulate
from jaxrec.envs.rewiring.simulation.competition import settings

GAME = RewiringGame(6, 2)
GOOD, BAD = heuristic("good"), heuristic("bad")
TWO = per_run([["good", "bad"], ["bad", "local"], ["fair", "good"]])

ANSWERS = {
    "of unequal kinds": ([["good", "bad"], ["good"]], "as many in each run, got 2 in run 0 and 1 in run 1"),
    "one and several": (["good", ["good", "bad"]], "as many in each run, got 1 in run 0 and 2 in run 1"),
    "none": ([], "recommenders must have one for each run, got none"),
    "a run without any": ([["good"], []], r"recommenders\[1\] must name at least one, got none"),
    "a name": ("good", "recommenders must be a sequence, with one or several for each run, got 'good'"),
    "a heuristic": (GOOD, "recommenders must be a sequence.* got a Heuristic"),
    "nothing": (None, "recommenders must be a sequence.* got None"),
    "a number": (3, "recommenders must be a sequence.* got 3"),
    "a number in a run": (["good", 3], r"recommenders\[1\] must be a name or a Heuristic, got 3"),
    "a number among kinds": ([["good", 3]], r"recommenders\[0\]\[1\] must be a name or a Heuristic, got 3"),
    "an unknown name": ([["good"], ["bed"]], "unknown recommender 'bed'. Did you mean 'bad'?"),
    "a stack within": ([TWO], r"recommenders\[0\].accepts must have shape \[2, 2\], got \[3, 2, 2, 2\]"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_recommenders_of_a_sweep_that_cannot_be(name, untyped):
    given, message = ANSWERS[name]
    with pytest.raises(jaxrec.InputError, match=message) as error:
        per_run(given)
    assert "\n" not in str(error.value)


def test_recommenders_of_a_sweep_by_name_or_as_they_are():
    """Of any sequence, also one that is read once."""
    for rows in (["good", "bad"], (GOOD, BAD), np.array(["good", "bad"]), iter([["good"], [BAD]])):
        stacked = per_run(list(map(str, rows)) if isinstance(rows, np.ndarray) else rows)
        np.testing.assert_array_equal(stacked.accepts[:, 0], [GOOD.accepts, BAD.accepts])
        assert stacked.local.shape == (2, 1)


WRONG = {
    "recommenders": {
        "a number": (3, "recommenders must be a name or a Heuristic, got 3"),
        "nothing": (None, "recommenders must be a name or a Heuristic, got None"),
        "a class": (Heuristic, "recommenders must be a name or a Heuristic, got the class Heuristic"),
        "a policy": (GAME.policy("good"), "recommenders must be a name or a Heuristic, got a HeuristicPolicy"),
        "none of several": ([], "recommenders must name at least one, got none"),
        "a number among several": (["good", 1], "recommenders[1] must be a name or a Heuristic, got 1"),
        "an unknown name": (["good", "badd"], "unknown recommender 'badd'. Did you mean 'bad'?"),
        "accepts of a wrong shape": (Heuristic((True, False)), "accepts must have shape [2, 2], got [2]"),
        "accepts of no number": (Heuristic("all"), "recommenders.accepts must be a number or an array"),
        "accepts in part": (GOOD.replace(accepts=((0, 1), (0, 0.5))), "accepts must be one of (False, True), got 0"),
        "local of a wrong shape": (GOOD.replace(local=np.zeros(3, bool)), "local must have shape [], got [3]"),
        "a degree that is none": (GOOD.replace(degree=2), "degree must be one of (-1, 0, 1), got 2"),
        "half a degree": (GOOD.replace(degree=0.5), "degree must be one of (-1, 0, 1), got 0.5"),
        "exclusive of no truth": (GOOD.replace(exclusive=np.nan), "exclusive must be one of (False, True), got nan"),
        "a stack that is torn": (TWO.replace(degree=np.zeros((2, 2), int)), "degree must have shape [3, 2], got [2,"),
        "a stack of no run": (jax.tree.map(lambda leaf: leaf[:0], TWO), "and at least 1, got {'recommenders': 0"),
    },
    "env": {
        "an id": ("RewiringGame-v0", "env must be a RewiringGame, got 'RewiringGame-v0'"),
        "what make gives": (jaxrec.make("RewiringGame-v0"), "env must be a RewiringGame, got a tuple"),
        "a class": (RewiringGame, "env must be a RewiringGame, got the class RewiringGame"),
        "another society": (jaxrec.make("PolarisingUsers-v0")[0], "env must be a RewiringGame, got a PolarisingUsers"),
    },
    "generator": {
        "unknown": ("threefly", "unknown generator 'threefly'. Did you mean 'threefry'?"),
    },
    "engine": {
        "unknown": ("compile", "unknown engine 'compile'. Did you mean 'compiled'?"),
    },
    "key": {
        "a seed": (0, "key must be a typed key, got 0: jax.random.key(0) makes one"),
        "nothing": (None, "key must be a typed key, got None"),
        "a legacy key": (jax.random.PRNGKey(0), "key must be a typed key, got a legacy one"),
        "several": (jax.random.split(jax.random.key(0), 2), "key must be one key, got [2] of them"),
    },
    "params": {
        "of another society": (PreferenceParams(), "params must be RewiringParams or None, got a PreferenceParams"),
        "a table": ({"beta": 0.1}, "params must be RewiringParams or None, got a dict"),
        "with two axes": (RewiringParams(beta=np.ones((2, 3))), "params.beta must be a number, or one for each run"),
        "of no number": (RewiringParams(beta="high"), "params.beta must be a number or an array of numbers"),
        "of no run": (RewiringParams(beta=np.zeros(0)), "and at least 1, got {'params.beta': 0"),
    },
    "competition": {
        "shares alone": ((0.5, 0.5), "competition must be Competition or None, got a tuple"),
        "a class": (Competition, "competition must be Competition or None, got the class Competition"),
        "shares of no number": (Competition("half"), "competition.shares must be a number or an array of numbers"),
        "shares of unequal lengths": (Competition([[1.0], [0.5, 0.5]]), "competition.shares must be a number or an"),
        "a share": (Competition(0.5), "competition.shares must be [kinds] or [runs, kinds], got shape []"),
        "shares of more kinds": (Competition((0.5, 0.25, 0.25)), "competition.shares must have shape [2], got"),
        "a timescale with two axes": (Competition(timescale=np.ones((1, 2))), "competition.timescale must be a"),
        "no timescale": (Competition(timescale=None), "competition.timescale must be a number"),
        "no beta": (Competition(beta="strong"), "competition.beta must be a number"),
    },
    "runs": {
        "none": (0, "runs must be an integer of at least 1, got 0"),
        "half": (2.5, "runs must be an integer of at least 1, got 2.5"),
        "a truth": (True, "runs must be an integer of at least 1, got True"),
        "a name": ("two", "runs must be an integer of at least 1, got 'two'"),
    },
    "num_steps": {
        "none": (0, "num_steps must be an integer of at least 1, got 0"),
        "a float": (1e5, "num_steps must be an integer of at least 1, got 100000.0"),
        "no multiple": (5_001, "num_steps must be a multiple of check_every=5000, got 5001"),
        "too many": (2**31, "num_steps must be at most 2147483646, got 2147483648"),
    },
    "check_every": {
        "none": (0, "check_every must be an integer of at least 1, got 0"),
        "nothing": (None, "check_every must be an integer of at least 1, got None"),
        "more than there are": (10_000_000, "num_steps must be a multiple of check_every=10000000, got 500000"),
    },
    "lanes": {
        "none": (0, "lanes must be an integer of at least 1, got 0"),
        "a float": (8.0, "lanes must be an integer of at least 1, got 8.0"),
    },
}  # fmt: skip
CASES = [(argument, name) for argument, cases in WRONG.items() for name in cases]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of legacy keys
@pytest.mark.parametrize(("argument", "name"), CASES, ids=[f"{argument}: {name}" for argument, name in CASES])
def test_simulations_that_cannot_be_are_one_line(argument, name, untyped):
    value, message = WRONG[argument][name]
    given = {"env": GAME, "recommenders": ["local", "good"], "key": jax.random.key(0), argument: value}
    with pytest.raises(jaxrec.InputError) as error:
        simulate(**given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "lengths"),
    [
        ({"runs": 2}, "'recommenders': 3, 'runs': 2"),
        ({"params": RewiringParams(beta=np.ones(2) / 10)}, "'params.beta': 2, 'recommenders': 3"),
        ({"competition": Competition(np.full((4, 2), 0.5))}, "'competition.shares': 4, 'recommenders': 3"),
        ({"competition": Competition(timescale=np.zeros(1))}, "'competition.timescale': 1, 'recommenders': 3"),
    ],
)
def test_runs_that_are_counted_twice(given, lengths):
    with pytest.raises(jaxrec.InputError, match=f"number of runs must be one, and at least 1, got {{{lengths}}}"):
        simulate(GAME, TWO, jax.random.key(0), **given)


def test_every_run_gets_what_was_given_for_it():
    """Numbers go to all runs, rows one to each; names, heuristics and stacks of them come to the same."""
    params = RewiringParams(beta=[0.1, 0.2, 0.3], timescale=jnp.array([1.0, 2.0, np.inf]), sucker=np.float64(-0.5))
    params = params.replace(beta=np.asarray(params.beta))
    competition = Competition((0.25, 0.75), timescale=[0.0, 1.0, np.inf])
    competition = competition.replace(timescale=np.asarray(competition.timescale))
    every, kinds, rivals = settings(GAME, ["good", "bad"], params, competition, None)
    np.testing.assert_allclose(every.beta, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(every.timescale, [1.0, 2.0, np.inf])
    np.testing.assert_array_equal(every.sucker, [-0.5] * 3)
    np.testing.assert_array_equal(rivals.shares, [[0.25, 0.75]] * 3)
    np.testing.assert_array_equal(rivals.timescale, [0.0, 1.0, np.inf])
    np.testing.assert_array_equal(kinds.accepts, [[GOOD.accepts, BAD.accepts]] * 3)
    same = settings(GAME, per_run([[GOOD, "bad"]] * 3), params, competition, 3)[1]
    for field in dataclasses.fields(Heuristic):
        np.testing.assert_array_equal(getattr(same, field.name), getattr(kinds, field.name))


def test_one_run_of_the_defaults_without_competition():
    every, kinds, rivals = settings(GAME, "local", None, None, None)
    assert every.beta.shape == kinds.local.shape[:1] == (1,)
    assert rivals is None
