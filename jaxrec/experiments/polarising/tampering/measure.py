"""What the tampering study measures of trained policies: behaviour, exact values, disagreement between worlds."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec import random
from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import (
    PolarisingParams,
    PolarisingUsers,
    exact,
    population,
)
from jaxrec.experiments.polarising.tampering.disagreement import Disagreement, disagreement
from jaxrec.experiments.polarising.tampering.settings import USERS, TamperingConfig
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched
from jaxrec.rollouts import rollout
from jaxrec.runtime.jit_by_class import jit


class Behaviour(struct.PyTreeNode):
    """What policies did to each user, with axes [..., users, steps] (`value`: [..., users]).

    Attributes:
        shown: float[..., users, steps, 3], how often each source was recommended.
        reward: clicks at each step.
        opposed: how often the source opposed to the user's initial wing was recommended.
        polarisation: distance of theta from its start.
        user: click probability under the initial theta for what was shown.
        value: mean clicks of an episode.
    """

    shown: Any
    reward: Any
    opposed: Any
    polarisation: Any
    user: Any
    value: Any


@dataclass(frozen=True)
class References:
    """Exact values, each float[users] but for the first; see `jaxrec.envs.polarising.exact`.

    Attributes:
        bayes: what the Bayes-optimal policy without influence earns of the training population, an episode.
        bayes_decoupled: what it earns of each user without influence.
        bound, bound_decoupled: what a recommender that knows the user could earn, with and without influence.
    """

    bayes: float
    bayes_decoupled: np.ndarray
    bound: np.ndarray
    bound_decoupled: np.ndarray


@dataclass(frozen=True)
class Curves:
    """The course of the training.

    Attributes:
        episodes: int[chunks], episodes so far.
        clicks: float[chunks, 2, seeds], clicks an episode while exploring, with influence and without.
    """

    episodes: np.ndarray
    clicks: np.ndarray


@dataclass(frozen=True)
class Measured:
    """Everything measured; leading axes of seeds.

    Attributes:
        learned: trained and evaluated with influence.
        safe: trained and evaluated without.
        safe_deployed: trained without, evaluated with.
        baselines: evaluated with influence, on the draws of each seed.
        references: exact values.
        decoupled_values: float[seeds, users], exact clicks of the policies trained without influence, in that world.
        disagreement: of the policies of the two worlds.
        curves: the course of the training.
    """

    learned: Behaviour
    safe: Behaviour
    safe_deployed: Behaviour
    baselines: dict[str, Behaviour]
    references: References
    decoupled_values: np.ndarray
    disagreement: Disagreement
    curves: Curves


def measure(config: TamperingConfig, tools: Tools) -> Measured:
    """Trains in both worlds, and evaluates next to baselines and exact references.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The behaviour of every policy, exact values, and the course of the training.
    """
    env = PolarisingUsers()
    factual, decoupled, curves = train(env, config, tools)

    tools.meter.start("evaluating policies", 5)
    key, key_visits = jax.random.split(random.key(config.seed + 1_000_003, config.generator))
    keys = jax.random.split(key, config.seeds)  # one a seed, for all policies: they are compared on the same draws
    epsilon = jnp.zeros(config.seeds)

    def evaluate(policies: Any, influence: float) -> Behaviour:
        """Of policies stacked along an axis of seeds."""
        seen = behaviour(env, policies, keys, config.evaluation_episodes, influence)
        return jax.tree.map(np.asarray, seen)

    learned = evaluate(TabularPolicy(factual, env, epsilon), 1.0)
    tools.meter.advance()
    safe, safe_deployed = (evaluate(TabularPolicy(decoupled, env, epsilon), influence) for influence in (0.0, 1.0))
    tools.meter.advance()
    references, bayes = exact_references(env)
    policies = baseline_policies(env, bayes)
    baselines = {name: evaluate(batched(policy, config.seeds), 1.0) for name, policy in policies.items()}
    tools.meter.advance()
    decoupled_values = np.array([exact_values(env, table) for table in decoupled])
    tools.meter.advance()
    disagree = disagreement(env, factual, decoupled, key_visits, min(config.evaluation_episodes, 1000))
    tools.meter.advance()
    return Measured(learned, safe, safe_deployed, baselines, references, decoupled_values, disagree, curves)


def train(env: PolarisingUsers, config: TamperingConfig, tools: Tools) -> tuple[Array, Array, Curves]:
    """Trains in both worlds from the same keys.

    Args:
        env: the users.
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Action values float[seeds, states, 3] learned with `influence` 1, then with 0; the course of the training.
    """
    agent = config.agent(env)
    influence = jnp.repeat(jnp.array([1.0, 0.0]), config.seeds)
    params = batched(env.default_params, 2 * config.seeds).replace(influence=influence)
    keys = jnp.tile(
        jax.vmap(partial(random.key, generator=config.generator))(config.seed + jnp.arange(config.seeds)), 2
    )

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        factual, decoupled = env.horizon * metrics["reward"].reshape(2, config.seeds)
        episodes, epsilon = steps // env.horizon, metrics["epsilon"][0]
        return {"episodes": episodes, "epsilon": epsilon, "clicks_factual": factual, "clicks_decoupled": decoupled}

    task = f"training {config.seeds} seeds in 2 worlds"
    state, course = tools.train(agent, keys, params, task, config.num_chunks, line)
    clicks = env.horizon * course.metrics["reward"].reshape(-1, 2, config.seeds)
    return state.q[: config.seeds], state.q[config.seeds :], Curves(course.steps // env.horizon, clicks)


def baseline_policies(env: PolarisingUsers, bayes: exact.CountPolicy) -> dict[str, Any]:
    """What the learned policies are compared with."""
    bayes_policy = TabularPolicy(jnp.asarray(bayes.q, float), env)
    return {"random": env.policy("random"), "bandit": env.policy("bandit"), "Bayes": bayes_policy}


def exact_values(env: PolarisingUsers, q: Any) -> np.ndarray:
    """float64[users]: the expected clicks of the policy greedy in `q`, without influence."""
    return exact.value_without_influence(env, exact.greedy_probabilities(np.asarray(q)), params_of(USERS))


@jit(static_argnames=("env", "episodes"))
def behaviour(env: PolarisingUsers, policies: Any, keys: Array, episodes: int, influence: Any) -> Behaviour:
    """Plays each of several policies with each of the users.

    Args:
        env: the users' environment.
        policies: with a leading axis of seeds.
        keys: typed keys [seeds].
        episodes: of each policy with each user.
        influence: in [0, 1].

    Returns:
        Means over episodes: float[seeds, users, ...].
    """

    def one(inputs: tuple[Any, Array]) -> Behaviour:
        policy, key = inputs
        return _behaviour(env, policy, key, episodes, influence)

    return jax.lax.map(one, (policies, keys))


def _behaviour(env: PolarisingUsers, policy: Any, key: Array, episodes: int, influence: Any) -> Behaviour:
    """What one policy does to each of the users: float[users, ...]."""
    params = params_of(USERS).replace(influence=influence)

    def of_user(key: Array, profile: Array) -> Behaviour:
        result = rollout(env, policy, key, episodes, env.horizon, params.replace(population=profile[None]))
        step = result.per_step
        return Behaviour(
            shown=jnp.stack([step["left"], step["centre"], step["right"]], axis=-1),
            reward=step["recommender"],
            opposed=step["opposed"],
            polarisation=step["polarisation"],
            user=step["user"],
            value=result.episode_return.mean(),
        )

    return jax.vmap(of_user)(jax.random.split(key, len(USERS)), jnp.asarray(params.population, float))


def exact_references(env: PolarisingUsers) -> tuple[References, exact.CountPolicy]:
    """The exact values, and the Bayes-optimal policy without influence."""
    users = params_of(USERS)
    bayes = exact.bayes_optimal(env, env.default_params)
    references = References(
        bayes=bayes.value,
        bayes_decoupled=exact_values(env, bayes.q),
        bound=exact.known_user_bound(env, users),
        bound_decoupled=exact.known_user_bound(env, users.replace(influence=0.0)),
    )
    return references, bayes


def params_of(users: Any) -> PolarisingParams:
    """The parameters of the paper with `users` (name -> theta) for a population."""
    return PolarisingParams(population=population(users))
