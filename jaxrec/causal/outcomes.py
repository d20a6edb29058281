"""An environment as functions of named leaves: how it moves, what it shows, what it pays."""

from typing import NamedTuple, TypeVar

import jax
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.utilities import paid

RESERVED = ("A", "R", "action", "next", "noise", "obs", "reward")
T = TypeVar("T")


class Inputs(NamedTuple):
    """What an outcome can depend on; every leaf is one value, or a batch, or a name.

    Attributes:
        key: a typed key, for the draws of the step.
        state: before the step.
        action: a legal one.
        next_state: after another step that may have followed, for the reward to be asked about.
    """

    key: PyTree
    state: PyTree
    action: PyTree
    next_state: PyTree


class Outcome(NamedTuple):
    """The results of a step, and of its parts by themselves.

    Attributes:
        next_state: after the step.
        next_obs: what is observed of that.
        reward: float[], of the step.
        obs: what is observed of the state before the step.
        paid: float[], the reward of (state, action, next state) as they are given.
    """

    next_state: PyTree
    next_obs: PyTree
    reward: PyTree
    obs: PyTree
    paid: PyTree


def outcome(env: Environment, params: PyTree, given: Inputs) -> Outcome:
    """Takes one step, and asks for the observation and the reward of what is given.

    Args:
        env: any environment.
        params: run-time values.
        given: of one society.

    Returns:
        Values of one society.
    """

    def pay(next_state: PyTree) -> Array:
        components = env.reward_components(given.state, given.action, next_state, params)
        return paid(env.reward, components, params.reward_weights)

    next_state, _ = env.transition(given.key, given.state, given.action, params)
    return Outcome(
        next_state,
        env.observe(next_state, params),
        pay(next_state),
        env.observe(given.state, params),
        pay(given.next_state),
    )


def named(given: Inputs) -> Inputs:
    """Names every leaf: "noise", leaves of the state such as "theta", "action", and "next.theta"."""
    return Inputs(
        "noise",
        leaf_names(given.state),
        jax.tree.map(lambda _: "action", given.action),
        jax.tree.map("next.{}".format, leaf_names(given.next_state)),
    )


def leaf_names(state: PyTree) -> PyTree:
    """Puts in place of each leaf of a state its path, such as "society.cooperators"."""

    def name(path: tuple[jax.tree_util.KeyEntry, ...], _: object) -> str:
        text = jax.tree_util.keystr(path, simple=True, separator=".") or "state"
        return f"state.{text}" if text.partition(".")[0] in RESERVED else text

    return jax.tree_util.tree_map_with_path(name, state)


def preference_leaves(env: Environment, params: PyTree = None) -> tuple[str, ...]:
    """Gives the names of the leaves that are the users: those of `env.preferences`, within wrappers too.

    Args:
        env: any environment.
        params: run-time values; its defaults if None.

    Raises:
        InputError: for an environment that names no preferences, or parameters of another one.
    """
    if not env.preferences:
        raise checks.InputError(f"{env.name} must name in `preferences` which parts of its state are users, got none")
    state = jax.eval_shape(env.reset_env, jax.random.key(0), env.resolve(params))[1]
    return tuple(jax.tree.leaves(env.preferences_of(leaf_names(state))))
