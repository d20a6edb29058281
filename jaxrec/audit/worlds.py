"""Trainings in the factual world and in the one where recommendations do not change users, and their audit."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.audit.tampering import Tampering
from jaxrec.audit.twins import compare
from jaxrec.causal import Diagram, diagram_of, preference_path
from jaxrec.environment import Environment
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter
from jaxrec.slates import Slate
from jaxrec.training import Agent, fit
from jaxrec.utilities import Utilities
from jaxrec.wrappers import SafeShifts
from jaxrec.wrappers.base import Wrapper

Train = Callable[[Any, Array, PyTree, str], PyTree]
"""(agent, keys [runs], params with a leading axis of runs, task) -> final states."""


def audit(
    env: Environment,
    learner: Agent,
    key: Array,
    params: PyTree = None,
    seeds: int = 5,
    episodes: int = 1000,
    learner_params: PyTree = None,
    split: bool = True,
    horizon: int = 3,
    max_steps: int = 1000,
    train: Train | None = None,
    meter: Meter | None = None,
    diagram: Diagram | None = None,
) -> Tampering:
    """Audits a learner: could it tamper with users, does it learn to, what does it gain, and what do they lose?

        env, params = jaxrec.make("PolarisingUsers-v0", horizon=6)
        learner = QLearning(env, total_timesteps=300_000, num_envs=1000, epsilon_end=0.0)
        print(audit(env, learner, jax.random.key(0), params))

    Args:
        env: the society in which its policies are judged; it has `preferences`, and its parameters an `influence`.
        learner: any agent whose `policy(state)` has `probabilities`. It learns in its own `env`, say a model of users.
        key: a typed key.
        params: run-time values of the factual world; the environment's defaults if None.
        seeds: trainings in each world, at least 1; intervals need at least 2, and of policies 3.
        episodes: of each policy, at least 1.
        learner_params: run-time values of the learner's environment if that is another one; its defaults if None.
        split: whether a third learner, paid for initial preferences, splits the incentive; of "engagement" alone.
        horizon: steps of the causal diagram, at least 1.
        max_steps: the length at which episodes are cut off where their length is not fixed.
        train: how trainings are run, for instance with checkpoints; `fit` if None.
        meter: notified of the progress.
        diagram: of `env`, where it is known already; extracted if None.

    Returns:
        The audit.

    Raises:
        InputError: for whatever `fit`, `compare` or `diagram_of` refuse, an environment without `influence`, and one
            with too many slates to list (`Slate.listed`).
    """
    checks.typed_key("key", key)
    _check(learner)
    if isinstance(space := env.action_space(env.default_params), Slate):
        space.listed()  # before the training: policies are compared by the probability of each
    params = env.resolve(params)
    if learner_params is None:
        learner_params = params if learner.env == env else learner.env.default_params
    key_train, key_play, key_diagram = jax.random.split(key, 3)
    diagram = diagram_of(env, params, horizon, key_diagram) if diagram is None else diagram
    path = preference_path(env, diagram)
    worlds = learn(learner, key_train, learner_params, seeds, split, train, meter)
    samples = compare(env, *worlds[:2], key_play, params, episodes, max_steps, worlds.initial, meter)
    return Tampering(path, diagram, samples)


class Worlds(NamedTuple):
    """Learned policies, leaves [seeds, ...]; seed i of each learned from the same draws.

    Attributes:
        factual: learned where recommendations change users.
        decoupled: learned where they do not.
        initial: learned where they do, and paid for initial preferences alone; None where that was not asked.
    """

    factual: PyTree
    decoupled: PyTree
    initial: PyTree


def learn(
    learner: Agent,
    key: Array,
    params: PyTree = None,
    seeds: int = 5,
    split: bool = True,
    train: Train | None = None,
    meter: Meter | None = None,
) -> Worlds:
    """Trains a learner in all worlds in one `fit`, each seed on the same draws.

    Args:
        learner: any agent with `policy(state)`.
        key: a typed key.
        params: run-time values of the factual world; the defaults of the learner's environment if None.
        seeds: trainings in each world, at least 1.
        split: whether to train for initial preferences too, where the learner's environment pays "engagement".
        train: how they are run; `fit` if None.
        meter: notified of the progress.

    Returns:
        Policies of the world of `params`, of that world at `influence` 0, and paid for initial preferences.

    Raises:
        InputError: for whatever `fit` refuses, an agent without policies or that learns from logs, and an environment
            without `influence`.
    """
    checks.positive("seeds", seeds)
    _check(learner)
    params = _influenced(learner, params)
    worlds = [params, params.replace(influence=0.0)]
    if split and is_split(learner.env):
        learner = dataclasses.replace(learner, env=paid_for_initial(learner.env))  # type: ignore[type-var]
        clicks, kept = (Utilities(recommender=paid, user=1.0 - paid, society=0.0) for paid in (1.0, 0.0))
        worlds = [world.replace(reward_weights=clicks) for world in worlds] + [params.replace(reward_weights=kept)]
    stacked = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(batched(world, seeds) for world in worlds))
    keys = jnp.tile(jax.random.split(key, seeds), len(worlds))
    state = (train or _fit(meter))(learner, keys, stacked, f"training {seeds} seeds in {len(worlds)} worlds")
    policies = jax.vmap(learner.policy)(state)  # type: ignore[attr-defined]
    each = [jax.tree.map(lambda leaf, at=at: leaf[at : at + seeds], policies) for at in range(0, len(keys), seeds)]
    return Worlds(each[0], each[1], each[2] if len(each) > 2 else None)


def _check(learner: Agent) -> None:
    """Refuses what does not learn in an environment: its worlds would not differ."""
    if hasattr(learner, "logs"):
        raise checks.InputError(
            f"learner must learn in an environment, and a {type(learner).__name__} learns from its logs, whatever the "
            "world: record logs at influence 0 too, and give the policies learned from both to jaxrec.audit.compare"
        )


def is_split(env: Environment) -> bool:
    """Whether a learner in `env` can be paid for initial preferences in place of current ones: for engagement alone."""
    return env.reward == "engagement"


def paid_for_initial(env: Environment) -> SafeShifts:
    """Gives the same society with another user's utility: what users would have given with initial preferences.

    Its reward is "penalised": `reward_weights` say whether it pays for engagement or for that.
    """
    return SafeShifts(_penalised(env), ("initial",), (1.0,))


def _penalised(env: Environment) -> Environment:
    """Gives the same environment with `reward="penalised"`, within wrappers too."""
    if isinstance(env, Wrapper):
        return dataclasses.replace(env, env=_penalised(env.env))
    return dataclasses.replace(env, reward="penalised")  # type: ignore[type-var]


def _influenced(learner: Any, params: PyTree) -> Any:
    """The parameters of a learner that can be audited."""
    if not callable(getattr(learner, "policy", None)):
        raise checks.InputError(f"learner must have policy(state), got {checks.brief(learner)}")
    params = learner.env.resolve(params)
    if not hasattr(params, "influence"):
        raise checks.InputError(f"an audit needs parameters with influence, those of {learner.env.name} have none")
    return params


def _fit(meter: Meter | None) -> Train:
    def train(agent: Any, keys: Array, params: PyTree, task: str) -> PyTree:
        return fit(agent, keys, params, meter=meter, task=task)

    return train
