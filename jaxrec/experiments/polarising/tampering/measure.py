"""What the tampering study measures of trained policies: behaviour, exact values, disagreement between worlds."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import (
    TRAINING,
    UNSEEN,
    PolarisingParams,
    PolarisingUsers,
    exact,
    population,
)
from jaxrec.experiments.polarising.tampering.settings import TamperingConfig
from jaxrec.experiments.runs.metrics_log import Log
from jaxrec.parameters import batched
from jaxrec.rollouts import rollout
from jaxrec.runtime.jit_by_class import jit
from jaxrec.runtime.progress import Meter
from jaxrec.statistics import jackknife
from jaxrec.training import fit

USERS = {**TRAINING, **UNSEEN}
CENTRIST = list(USERS).index("centrist")
POLARISABLE = [i for i in range(len(USERS)) if i != CENTRIST]
TRAINED_ON = slice(0, len(TRAINING))
LEFT_WING = [i for i, theta in enumerate(USERS.values()) if theta[0] == max(theta)]


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


class Disagreement(struct.PyTreeNode):
    """How often two policies choose different actions where a factual policy goes: float[seeds, seeds, users, steps].

    Entry [i, j] is the probability of that, over the states that factual policy i visits.

    Attributes:
        across: factual policy i and decoupled policy j.
        factual, decoupled: policies i and j of one world: the noise between seeds.
    """

    across: Any
    factual: Any
    decoupled: Any

    @property
    def noise(self) -> np.ndarray:
        """float[users, steps]: the larger of the two worlds' disagreement between different seeds; 0 from one seed."""
        if len(self.across) == 1:
            return np.zeros_like(self.across[0, 0])
        return np.maximum(*(jackknife(within).mean(axis=0) for within in (self.factual, self.decoupled)))

    @property
    def excess(self) -> np.ndarray:
        """float[seeds, users, steps]: samples of `across` beyond the noisier world's, over pairs of different seeds.

        The noisier world, because where one world's policies go the other's may have learned little: there they
        disagree with everything, each other included.
        """
        if len(self.across) == 1:
            return self.across[0]
        noisier = np.where(
            jackknife(self.factual).mean(axis=0) > jackknife(self.decoupled).mean(axis=0), self.factual, self.decoupled
        )
        return jackknife(self.across - noisier)


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


def measure(config: TamperingConfig, log: Log, meter: Meter) -> Measured:
    """Trains in both worlds, and evaluates beside baselines and exact references."""
    env = PolarisingUsers()
    factual, decoupled, curves = train(env, config, log, meter)

    meter.start("evaluating policies", 5)
    key, key_visits = jax.random.split(jax.random.key(config.seed + 1_000_003))
    keys = jax.random.split(key, config.seeds)  # one a seed, for all policies: they are compared on the same draws
    epsilon = jnp.zeros(config.seeds)

    def evaluate(policies: Any, influence: float) -> Behaviour:
        """Of policies stacked along an axis of seeds."""
        seen = behaviour(env, policies, keys, config.evaluation_episodes, influence)
        return jax.tree.map(np.asarray, seen)

    learned = evaluate(TabularPolicy(factual, env, epsilon), 1.0)
    meter.advance()
    safe, safe_deployed = (evaluate(TabularPolicy(decoupled, env, epsilon), influence) for influence in (0.0, 1.0))
    meter.advance()
    references, bayes = exact_references(env)
    policies = baseline_policies(env, bayes)
    baselines = {name: evaluate(batched(policy, config.seeds), 1.0) for name, policy in policies.items()}
    meter.advance()
    decoupled_values = np.array([exact_values(env, table) for table in decoupled])
    meter.advance()
    disagree = disagreement(env, factual, decoupled, key_visits, min(config.evaluation_episodes, 1000))
    meter.advance()
    return Measured(learned, safe, safe_deployed, baselines, references, decoupled_values, disagree, curves)


def train(env: PolarisingUsers, config: TamperingConfig, log: Log, meter: Meter) -> tuple[Array, Array, Curves]:
    """Action values float[seeds, states, 3] learned with `influence` 1, then with 0 from the same keys; the course."""
    agent = config.agent(env)
    influence = jnp.repeat(jnp.array([1.0, 0.0]), config.seeds)
    params = batched(env.default_params, 2 * config.seeds).replace(influence=influence)
    keys = jnp.tile(jax.vmap(jax.random.key)(config.seed + jnp.arange(config.seeds)), 2)

    episodes, clicks = [], []

    def on_metrics(updates: int, metrics: dict[str, np.ndarray]) -> None:
        episodes.append(updates * config.num_envs * config.num_steps // env.horizon)
        clicks.append(env.horizon * metrics["reward"].reshape(2, config.seeds))
        log(
            episodes=episodes[-1],
            epsilon=metrics["epsilon"][0],
            clicks_factual=clicks[-1][0],
            clicks_decoupled=clicks[-1][1],
        )

    task = f"training {config.seeds} seeds in 2 worlds"
    state = fit(agent, keys, params, config.num_chunks, meter, on_metrics, task, log.checkpoints(task))
    return state.q[: config.seeds], state.q[config.seeds :], Curves(np.array(episodes), np.array(clicks))


def baseline_policies(env: PolarisingUsers, bayes: exact.CountPolicy) -> dict[str, Any]:
    """What the learned policies are compared with."""
    bayes_policy = TabularPolicy(jnp.asarray(bayes.q, float), env)
    return {"random": env.policy("random"), "bandit": env.policy("bandit"), "Bayes": bayes_policy}


def exact_values(env: PolarisingUsers, q: Any) -> np.ndarray:
    """float64[users]: the expected clicks of the policy greedy in `q`, without influence."""
    return exact.value_without_influence(env, exact.greedy_probabilities(np.asarray(q)), params_of(USERS))


@jit(static_argnames=("env", "episodes"))
def behaviour(env: PolarisingUsers, policies: Any, keys: Array, episodes: int, influence: Any) -> Behaviour:
    """What each of `policies` (stacked along an axis of seeds, one key each) does to each of the users."""

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


def disagreement(env: PolarisingUsers, factual: Array, decoupled: Array, key: Array, episodes: int) -> Disagreement:
    """Compares policies learned with influence and without: tables float[seeds, states, 3] of each world."""
    keys = jax.random.split(key, len(factual))
    rows = [_disagreement_of_seed(env, factual, decoupled, i, keys[i], episodes) for i in range(len(factual))]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


@partial(jax.jit, static_argnames=("env", "episodes"))
def _disagreement_of_seed(
    env: PolarisingUsers, factual: Array, decoupled: Array, i: Array | int, key: Array, episodes: int
) -> Disagreement:
    visited = _visited(env, factual[i], key, episodes)
    factual, decoupled = (exact.greedy_probabilities(q[:, visited]) for q in (factual, decoupled))
    return Disagreement(
        across=_probability_of_difference(factual[i], decoupled),
        factual=_probability_of_difference(factual[i], factual),
        decoupled=_probability_of_difference(decoupled[i], decoupled),
    )


def _visited(env: PolarisingUsers, q: Array, key: Array, episodes: int) -> Array:
    """int32[users, steps, episodes]: the states in which the greedy policy of `q` finds itself with each user."""

    def of_user(key: Array, profile: Array) -> Array:
        params = env.default_params.replace(population=profile[None])
        result = rollout(env, TabularPolicy(q, env), key, episodes, env.horizon, params, trajectory=True)
        return jax.vmap(jax.vmap(env.observation_index))(result.trajectory.obs)

    return jax.vmap(of_user)(jax.random.split(key, len(USERS)), jnp.asarray(population(USERS)))


def _probability_of_difference(mine: Array, theirs: Array) -> Array:
    """float[seeds, users, steps]: that draws from `mine` and from each of `theirs` differ, over visited states."""
    return 1 - jnp.einsum("utea,sutea->sut", mine, theirs) / mine.shape[2]


def params_of(users: Any) -> PolarisingParams:
    """The parameters of the paper with `users` (name -> theta) for a population."""
    return PolarisingParams(population=population(users))
