"""What a game, its rules, its parameters and its simulation refuse."""

import dataclasses

import jax
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.rewiring import (
    Competition,
    RewiringGame,
    RewiringParams,
    rules,
    simulate,
)

GAME = RewiringGame(num_users=12, degree=11 - 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_users": 5, "degree": 5}, "degree"),
        ({"num_users": 5, "degree": 3}, "num_users"),
        ({"num_users": 0}, "num_users"),
        ({"degree": 0}, "degree"),
        ({"num_users": 2.5}, "num_users"),
        ({"num_users": 2**14, "degree": 2}, "num_users"),
        ({"num_users": 1000, "degree": 200, "rules": "santos"}, "rules"),
        ({"max_wait": 0}, "max_wait"),
        ({"num_users": 6, "degree": 3, "rules": dataclasses.replace(rules.CARVALHO, unfocused=6)}, "unfocused"),
        ({"rules": "carvallo"}, "carvalho"),
        ({"rules": 3}, "rules"),
        ({"graph": "scale-free"}, "graph"),
        ({"observe_as": "sparse"}, "observe_as"),
        ({"reward": "enragement"}, "engagement"),
    ],
)
def test_environments_that_cannot_be(arguments, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        RewiringGame(**arguments)


def test_rules_that_cannot_be(untyped):
    with pytest.raises(jaxrec.InputError, match="imitation"):
        dataclasses.replace(rules.CARVALHO, imitation="fermy")
    with pytest.raises(jaxrec.InputError, match="unfocused"):
        dataclasses.replace(rules.CARVALHO, unfocused=-1)


def test_names_that_are_unknown():
    with pytest.raises(jaxrec.InputError, match="random"):
        GAME.policy("randon")
    with pytest.raises(jaxrec.InputError, match="recommender"):
        simulate(GAME, "goood", jax.random.key(0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temptation", 2.1),
        ("temptation", -0.1),
        ("sucker", 1.1),
        ("sucker", -1.5),
        ("beta", -0.1),
        ("beta", np.nan),
        ("timescale", -1.0),
        ("timescale", np.nan),
        ("influence", 1.5),
        ("time_limit", 0),
    ],
)
def test_parameters_out_of_range(name, value, untyped):
    params = GAME.default_params.replace(**{name: value})
    with pytest.raises(jaxrec.InputError, match=name):
        GAME.reset(jax.random.key(0), params)
    with pytest.raises(jaxrec.InputError, match=name):
        simulate(GAME, "local", jax.random.key(0), params)


def test_parameters_within_range():
    GAME.check_params(GAME.default_params.replace(timescale=float("inf")))
    wide = RewiringGame(any_payoffs=True)
    wide.check_params(wide.default_params.replace(temptation=5.0, sucker=-3.0))
    with pytest.raises(jaxrec.InputError, match="temptation"):
        wide.check_params(wide.default_params.replace(temptation=np.inf))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 120, "check_every": 50}, "check_every"),
        ({"num_steps": 0}, "num_steps"),
        ({"num_steps": 2**31, "check_every": 1}, "num_steps"),  # counts are int32
        ({"check_every": 0}, "check_every"),
        ({"lanes": 0}, "lanes"),
        ({"runs": 0}, "runs"),
        ({"runs": 3, "params": RewiringParams(beta=np.array([0.1, 0.2]))}, "runs"),
        ({"params": RewiringParams(beta=np.array([0.1, 0.2]), timescale=np.ones(3))}, "runs"),
        ({"competition": Competition(np.array([0.5, 0.6]))}, "shares"),
        ({"competition": Competition(np.array([0.5, 0.3, 0.2]))}, "shares"),
        ({"competition": Competition(np.array([1.5, -0.5]))}, "shares"),
        ({"competition": Competition((0.5, 0.6))}, "shares"),
        ({"competition": Competition(timescale=-0.1)}, "timescale"),
        ({"competition": Competition(timescale=np.nan)}, "timescale"),
        ({"competition": Competition(beta=-1.0)}, "beta"),
        ({"competition": Competition(beta=1e39)}, "beta"),
        ({"competition": Competition(timescale=np.ones(3)), "runs": 2}, "runs"),
        ({"competition": Competition(), "recommenders": "local"}, "recommenders"),
        ({"recommenders": ["local", "god"]}, "good"),
        ({"recommenders": []}, "recommender"),
    ],
)
def test_simulations_that_cannot_be(options, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        simulate(**({"env": GAME, "recommenders": ["local", "good"], "key": jax.random.key(0)} | options))
