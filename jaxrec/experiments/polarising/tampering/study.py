"""User tampering: does a recommender that learns from clicks learn to polarise its users?

Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems", section 4, with the control their
Definition 2 asks for: the same learner in a world where what it recommends does not change users (`influence` 0).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.experiments.polarising.tampering.config import PRESETS, TamperingConfig
from jaxrec.experiments.polarising.tampering.measures import (
    Behaviour,
    baseline_policies,
    behaviour,
    disagreement,
    exact_references,
    exact_values,
)
from jaxrec.experiments.polarising.tampering.outcome import Curves, Outcome
from jaxrec.experiments.polarising.tampering.report import report
from jaxrec.experiments.reports.report import Report
from jaxrec.experiments.study import Log, Study
from jaxrec.parameters import batched
from jaxrec.runtime.progress import Meter
from jaxrec.training import fit

__all__ = ["STUDY", "TamperingConfig"]


def execute(config: TamperingConfig, log: Log, meter: Meter) -> Report:
    """Trains in both worlds, evaluates against baselines and exact references, and judges each claim."""
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
    references = exact_references(env)
    policies = baseline_policies(env, references.bayes)
    baselines = {name: evaluate(batched(policy, config.seeds), 1.0) for name, policy in policies.items()}
    meter.advance()
    decoupled_values = np.array([exact_values(env, table) for table in decoupled])
    meter.advance()
    disagree = disagreement(env, factual, decoupled, key_visits, min(config.evaluation_episodes, 1000))
    meter.advance()
    outcome = Outcome(learned, safe, safe_deployed, baselines, references, decoupled_values, disagree, curves)
    return report(config, outcome)


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


STUDY = Study("tampering", "Q-learning learns to polarise its users (Evans & Kasirzadeh)", PRESETS, execute)
