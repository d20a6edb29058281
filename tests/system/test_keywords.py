"""Keywords that nothing takes: classes and functions refuse one by the nearest that they have."""

import inspect

import jax
import pytest

import jaxrec
from jaxrec.agents import MLP, PPO, QLearning
from jaxrec.envs.polarising import PolarisingParams, PolarisingUsers
from jaxrec.training.sweeps import sweep
from jaxrec.wrappers import TimeLimit

ENV = PolarisingUsers(horizon=4)
KEY = jax.random.key(0)
AGENT = QLearning(ENV, 64, num_envs=4, num_steps=4)

KEYWORDS = {
    "an agent": (lambda: PPO(ENV, MLP(), total_timestep=64), "argument of PPO 'total_timestep'", "total_timesteps"),
    "a table": (lambda: QLearning(ENV, 64, num_env=4), "argument of QLearning 'num_env'", "num_envs"),
    "a change": (lambda: AGENT.replace(gama=0.5), "argument of QLearning 'gama'", "gamma"),
    "a network": (lambda: MLP(hiden=(4,)), "argument of MLP 'hiden'", "hidden"),
    "an environment": (lambda: PolarisingUsers(horizn=3), "argument of PolarisingUsers 'horizn'", "horizon"),
    "run-time values": (lambda: PolarisingParams(influenc=0.0), "of PolarisingParams 'influenc'", "influence"),
    "a wrapper": (lambda: TimeLimit(ENV, max_step=3), "argument of TimeLimit 'max_step'", "max_steps"),
    "a function": (lambda: jaxrec.rollout(ENV, num_env=4), "argument of rollout 'num_env'", "num_envs"),
    "a training": (lambda: jaxrec.fit(AGENT, num_chunk=4), "argument of fit 'num_chunk'", "num_chunks"),
    "a sweep": (lambda: sweep(AGENT, {}, 1, KEY, mesch=None), "argument of fit 'mesch'", "mesh"),
}


@pytest.mark.parametrize(("call", "message", "nearest"), KEYWORDS.values(), ids=KEYWORDS)
def test_an_unknown_keyword_names_the_nearest(call, message, nearest, untyped):
    with pytest.raises(jaxrec.InputError, match=rf"{message}\. Did you mean '{nearest}'\?"):
        call()


FUNCTIONS = {
    name: function for name in jaxrec.__all__ if inspect.isroutine(function := getattr(jaxrec, name)) and name != "make"
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_public_function_refuses_an_unknown_keyword(function, untyped):
    """`make` hands its own to a constructor, which does."""
    if inspect.signature(function).parameters:
        with pytest.raises(jaxrec.InputError, match=f"unknown argument of {function.__name__} 'nowhere'"):
            function(nowhere=1)
