"""What the tampering study measures of trained policies: behaviour, exact values, disagreement between worlds."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import random
from jaxrec.agents import TabularPolicy
from jaxrec.audit import Apart
from jaxrec.envs.polarising import PolarisingUsers, beliefs, exact
from jaxrec.experiments.polarising.behaviour import USERS, Behaviour, behaviour, params_of
from jaxrec.experiments.polarising.tampering.disagreement import disagreement
from jaxrec.experiments.polarising.tampering.settings import TamperingConfig
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched

BELIEF_SHARE = 10  # of the evaluation episodes, one in so many for the optimum over beliefs, which is slow to play


@dataclass(frozen=True)
class References:
    """Exact values, each float[users] but for the first two; see `jaxrec.envs.polarising.exact` and `.beliefs`.

    Attributes:
        bayes: what the Bayes-optimal policy without influence earns of the training population, an episode.
        tampering: what nobody can exceed there who may tamper and does not know the user, at the mean factor.
        bayes_decoupled: what it earns of each user without influence.
        bound, bound_decoupled: what a recommender that knows the user could earn, with and without influence.
    """

    bayes: float
    tampering: float
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
        tampering: the optimum over beliefs, which may tamper and does not know the user, in fewer episodes.
        references: exact values.
        decoupled_values: float[seeds, users], exact clicks of the policies trained without influence, in that world.
        disagreement: of the policies of the two worlds.
        curves: the course of the training.
    """

    learned: Behaviour
    safe: Behaviour
    safe_deployed: Behaviour
    baselines: dict[str, Behaviour]
    tampering: Behaviour
    references: References
    decoupled_values: np.ndarray
    disagreement: Apart
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

    tools.meter.start("evaluating policies", 6)
    key, key_visits = jax.random.split(random.key(config.seed + 1_000_003, config.generator))
    keys = jax.random.split(key, config.seeds)  # one a seed, for all policies: they are compared on the same draws
    epsilon = jnp.zeros(config.seeds)

    def evaluate(policies: Any, influence: float, episodes: int = config.evaluation_episodes) -> Behaviour:
        """Of policies stacked along an axis of seeds."""
        seen = behaviour(env, policies, keys, episodes, influence)
        return jax.tree.map(np.asarray, seen)

    learned = evaluate(TabularPolicy(factual, env, epsilon), 1.0)
    tools.meter.advance()
    safe, safe_deployed = (evaluate(TabularPolicy(decoupled, env, epsilon), influence) for influence in (0.0, 1.0))
    tools.meter.advance()
    references, bayes, believer = exact_references(env)
    policies = baseline_policies(env, bayes)
    baselines = {name: evaluate(batched(policy, config.seeds), 1.0) for name, policy in policies.items()}
    tools.meter.advance()
    tampering = evaluate(batched(believer, config.seeds), 1.0, -(-config.evaluation_episodes // BELIEF_SHARE))
    tools.meter.advance()
    decoupled_values = np.array([exact_values(env, table) for table in decoupled])
    tools.meter.advance()
    disagree = disagreement(env, factual, decoupled, key_visits, min(config.evaluation_episodes, 1000))
    tools.meter.advance()
    return Measured(learned, safe, safe_deployed, baselines, tampering, references, decoupled_values, disagree, curves)


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


def exact_references(env: PolarisingUsers) -> tuple[References, exact.CountPolicy, beliefs.BeliefPolicy]:
    """The exact values, the Bayes-optimal policy without influence, and the optimum over beliefs with it."""
    users = params_of(USERS)
    bayes = exact.bayes_optimal(env, env.default_params)
    believer = beliefs.belief_optimal(env, env.default_params)
    references = References(
        bayes=bayes.value,
        tampering=believer.value,
        bayes_decoupled=exact_values(env, bayes.q),
        bound=exact.known_user_bound(env, users),
        bound_decoupled=exact.known_user_bound(env, users.replace(influence=0.0)),
    )
    return references, bayes, believer.policy
