"""Wrappers forward what the environment inside overrides, and draw what it draws."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import pytest
from probes import Chain

import jaxrec
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.wrappers import LegacyStepAPI, SafeShifts, TimeLimit, Wrapper

DERIVED = {"name", "num_actions", "resolve", "check_type", "step_env", "reset", "step"}
WRAPPERS = [lambda env: Wrapper(env), lambda env: TimeLimit(env, 9), lambda env: LegacyStepAPI(env)]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_wrapper_forwards_whatever_the_environment_inside_overrides(wrap, untyped):
    """Every public method and property of an environment, overridden one by one, is reached through the wrapper."""
    public = {name for name in vars(jaxrec.Environment) if not name.startswith("_")} - DERIVED
    for name in sorted(public - {"fixed_horizon", "may_truncate"}):  # which TimeLimit computes
        member = inspect.getattr_static(jaxrec.Environment, name)
        reached = []

        @dataclasses.dataclass(unsafe_hash=True)
        class Marked(Chain):
            pass

        def method(self, *args, reached=reached):
            reached.append(self)
            return jnp.zeros((), bool)

        setattr(
            Marked, name, method if callable(member) else property(lambda self, m=method: (m(self), {"none": 0})[1])
        )
        env = wrap(Chain())
        object.__setattr__(env, "env", Marked())
        got = getattr(env, name)
        if callable(member):
            count = len(inspect.signature(member).parameters) - 1
            given = ["none"] if name == "policy" else [Chain().reset(jax.random.key(0))[1]] * min(count, 6)
            if name == "policy":
                env.env.policies = {"none": 0}
            got(*given)
        assert reached, name


@pytest.mark.slow
def test_a_wrapper_draws_what_the_environment_inside_draws(key):
    for env in (SafeShifts(PolarisingUsers(reward="penalised")), TimeLimit(PolarisingUsers(), 5)):
        played = jaxrec.rollout(env, env.policy("random"), key, 2, 30, trajectory=True).trajectory
        assert len(env.render(played[:, 0]).axes) == 2
        for wrong in (played, None):
            with pytest.raises(jaxrec.InputError, match="trajectory must be"):
                env.render(wrong)


def test_safe_shifts_that_change_nothing_paid_say_so():
    with pytest.warns(UserWarning, match="does not pay"):
        SafeShifts(PolarisingUsers())
    SafeShifts(PolarisingUsers(reward="penalised"))
    SafeShifts(PolarisingUsers(reward=lambda utilities, weights: utilities.user))
