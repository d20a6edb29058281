"""What mitigations come to: one sweep over rewards and discounts, and exact policies next to it."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import TRAINING, PolarisingUsers, beliefs, exact
from jaxrec.experiments.polarising.behaviour import POLARISABLE, PROFILING, TRAINED_ON, Behaviour, behaviour
from jaxrec.experiments.polarising.mitigations.settings import MitigationsConfig, discounted, weighted
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched
from jaxrec.utilities import Utilities

WITHOUT = "no influence"
BANDIT, BAYES, BELIEFS, KNOWN = "bandit", "Bayes, not tampering", "may tamper, best", "knows the user, best"
AS_THEY_CAME, UNCHANGING = "may tamper, paid as users came", "believes that users do not change"
BELIEF_SHARE = 4  # of the evaluation episodes, one in so many for policies over beliefs, slow to play
BOTH_WINGS = [user for user in POLARISABLE if user < len(TRAINING)]


@dataclass(frozen=True)
class Outcome:
    """What policies do to the training users: float[seeds] each, means over episodes and users.

    Attributes:
        clicks: of an episode.
        opposed: the share of opposed content among what users of either wing are shown.
        early: that share in time-steps 0 to 6 alone.
        polarisation: how far theta is from its start at the end.
        user: users' utility a step, the click probability that they came with for what they are shown.
    """

    clicks: np.ndarray
    opposed: np.ndarray
    early: np.ndarray
    polarisation: np.ndarray
    user: np.ndarray


@dataclass(frozen=True)
class Measured:
    """All policies, played where recommendations change users.

    Attributes:
        learners: by name: weights of the users' utility, discounts, and `WITHOUT` influence in training.
        references: the bandit, and policies that are exact but for a grid.
        bound: clicks that none can exceed who does not know the user, at the mean factor.
    """

    learners: dict[str, Outcome]
    references: dict[str, Outcome]
    bound: float

    def tampering(self, name: str) -> np.ndarray:
        """float[seeds]: opposed content beyond that of the same learner without influence."""
        return self.learners[name].opposed - self.learners[WITHOUT].opposed

    def beyond_bandit(self, name: str) -> np.ndarray:
        """float[seeds]: clicks beyond those of the bandit, on the same draws."""
        return self.learners[name].clicks - self.references[BANDIT].clicks


def measure(config: MitigationsConfig, tools: Tools) -> Measured:
    """Trains all learners in one sweep, and plays them and the references.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        What each does to the users it was trained on.
    """
    env = PolarisingUsers()
    tables = train(config, tools)
    keys = jax.random.split(jax.random.key(config.seed + 1_000_003), config.seeds)  # the same for all policies
    tools.meter.start("evaluating policies", len(tables) + 6)

    def play(policies: Any, episodes: int = config.evaluation_episodes) -> Behaviour:
        seen = behaviour(env, policies, keys, episodes, 1.0)
        tools.meter.advance()
        return jax.tree.map(np.asarray, seen)

    learners = {name: outcome(play(TabularPolicy(q, env, jnp.zeros(config.seeds)))) for name, q in tables.items()}
    few = -(-config.evaluation_episodes // BELIEF_SHARE)
    bayes = TabularPolicy(jnp.asarray(exact.bayes_optimal(env, env.default_params).q, float), env)
    params = env.default_params
    believer = beliefs.belief_optimal(env, params)
    as_they_came = beliefs.belief_optimal(env, params, paid_for="initial preferences")
    unchanging = beliefs.belief_optimal(env, params.replace(influence=0.0))
    references = {
        BANDIT: outcome(play(batched(env.policy("bandit"), config.seeds))),
        BAYES: outcome(play(batched(bayes, config.seeds))),
        BELIEFS: outcome(play(batched(believer.policy, config.seeds), few)),
        AS_THEY_CAME: outcome(play(batched(as_they_came.policy, config.seeds), few)),
        UNCHANGING: outcome(play(batched(unchanging.policy, config.seeds), few)),
        KNOWN: outcome(known_users(env, keys, few)),
    }
    tools.meter.advance()
    return Measured(learners, references, believer.value)


def train(config: MitigationsConfig, tools: Tools) -> dict[str, Array]:
    """Trains every learner from the same keys, in one vmap over rewards, discounts and seeds.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Action values float[seeds, states, 3] of each learner.
    """
    env = PolarisingUsers(reward="penalised")
    gamma = config.q_learning.gamma
    rows = {weighted(weight): (weight, gamma, 1.0) for weight in config.weights}
    rows |= {discounted(each): (0.0, each, 1.0) for each in config.gammas}
    rows |= {WITHOUT: (0.0, gamma, 0.0)}
    weights, gammas, influence = np.repeat(np.array(list(rows.values()), np.float32), config.seeds, axis=0).T
    paid = Utilities(recommender=1 - weights, user=weights, society=np.zeros_like(weights))
    params = batched(env.default_params, len(weights)).replace(influence=influence, reward_weights=paid)
    keys = jnp.tile(jax.random.split(jax.random.key(config.seed), config.seeds), len(rows))

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        reward = env.horizon * metrics["reward"].reshape(len(rows), -1)
        return {"episodes": steps // env.horizon} | dict(zip(rows, reward, strict=True))

    task = f"training {config.seeds} seeds of {len(rows)} learners"
    state, _ = tools.train(
        config.agent(env), keys, params, task, config.num_chunks, line, swept={"gamma": jnp.asarray(gammas)}
    )
    q = state.q.reshape(len(rows), config.seeds, *state.q.shape[1:])
    return {name: q[row] for row, name in enumerate(rows)}


def outcome(seen: Behaviour) -> Outcome:
    """Reduces what policies do to means over the users they were trained on."""
    return Outcome(
        clicks=seen.value[:, TRAINED_ON].mean(axis=1),
        opposed=seen.opposed[:, BOTH_WINGS].mean(axis=(1, 2)),
        early=seen.opposed[:, BOTH_WINGS, PROFILING].mean(axis=(1, 2)),
        polarisation=seen.polarisation[:, TRAINED_ON, -1].mean(axis=1),
        user=seen.user[:, TRAINED_ON].mean(axis=(1, 2)),
    )


def known_users(env: PolarisingUsers, keys: Array, episodes: int) -> Behaviour:
    """Plays to each training user the recommender that is best for this user alone, at the mean factor.

    Args:
        env: the users.
        keys: typed keys [seeds].
        episodes: for each user and seed.

    Returns:
        What they do, of the training users.
    """
    each = []
    for user, profile in enumerate(env.default_params.population):
        params = env.default_params.replace(population=profile[None])
        policy = beliefs.belief_optimal(env, params).policy
        seen = behaviour(env, batched(policy, len(keys)), keys, episodes, 1.0)
        each.append(jax.tree.map(lambda leaf, user=user: np.asarray(leaf[:, user]), seen))
    return jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *each)
