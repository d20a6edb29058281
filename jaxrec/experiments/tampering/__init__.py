"""User tampering: does a recommender that learns from clicks learn to polarise its users?

Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems", section 4, with the control their
Definition 2 asks for: the same learner in a world where what it recommends does not change users (`influence` 0).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec.agents import TabularPolicy, fit
from jaxrec.environment import batched
from jaxrec.envs.polarising import PolarisingUsers, exact
from jaxrec.experiments.report import Report
from jaxrec.experiments.study import Log, Study
from jaxrec.experiments.tampering.config import PRESETS, TamperingConfig
from jaxrec.experiments.tampering.measures import (
    USERS,
    baseline_policies,
    behaviour,
    disagreement,
    exact_references,
    params_of,
)
from jaxrec.experiments.tampering.outcome import Curves, Outcome
from jaxrec.experiments.tampering.report import report
from jaxrec.progress import Meter

__all__ = ["STUDY", "TamperingConfig"]


def execute(config: TamperingConfig, log: Log, meter: Meter) -> Report:
    """Trains in both worlds, evaluates against baselines and exact references, and judges each claim."""
    env = PolarisingUsers()
    factual, decoupled, curves = train(env, config, log, meter)

    meter.start("evaluating policies", 5)
    key, key_visits = jax.random.split(jax.random.key(config.seed + 1_000_003))
    # One key for all: policies are compared on the same draws.
    behave = partial(behaviour, env, key=key, episodes=config.evaluation_episodes)
    learned = jax.lax.map(lambda q: behave(TabularPolicy(q, env), influence=1.0), factual)
    meter.advance()
    safe = jax.lax.map(lambda q: behave(TabularPolicy(q, env), influence=0.0), decoupled)
    safe_deployed = jax.lax.map(lambda q: behave(TabularPolicy(q, env), influence=1.0), decoupled)
    meter.advance()
    references = exact_references(env)
    bayes = TabularPolicy(jnp.asarray(references.bayes.q, float), env)
    certain = partial(behave, episodes=10 * config.evaluation_episodes)
    baselines = {name: certain(policy, influence=1.0) for name, policy in baseline_policies(bayes).items()}
    meter.advance()
    decoupled_values = np.array(
        [
            exact.value_without_influence(env, exact.greedy_probabilities(np.asarray(q)), params_of(USERS))
            for q in decoupled
        ]
    )
    meter.advance()
    excess, noise = disagreement(env, factual, decoupled, key_visits, min(config.evaluation_episodes, 1000))
    meter.advance()

    learned, safe, safe_deployed = jax.tree.map(np.asarray, (learned, safe, safe_deployed))
    outcome = Outcome(learned, safe, safe_deployed, baselines, references, decoupled_values, excess, noise, curves)
    return report(config, outcome)


def train(env: PolarisingUsers, config: TamperingConfig, log: Log, meter: Meter) -> tuple[Array, Array, Curves]:
    """Action values float[seeds, states, 3] learned with `influence` 1, then with 0 from the same keys; the course."""
    agent = config.agent(env)
    influence = jnp.repeat(jnp.array([1.0, 0.0]), config.seeds)
    params = batched(env.default_params, 2 * config.seeds).replace(influence=influence)
    keys = jnp.tile(jax.vmap(jax.random.key)(config.seed + jnp.arange(config.seeds)), 2)

    episodes, clicks = [], []

    def on_metrics(batches: int, metrics: dict[str, np.ndarray]) -> None:
        episodes.append(batches * config.num_envs * config.num_steps // env.horizon)
        clicks.append(env.horizon * metrics["reward"].reshape(2, config.seeds))
        log(
            episodes=episodes[-1],
            epsilon=metrics["epsilon"][0],
            clicks_factual=clicks[-1][0],
            clicks_decoupled=clicks[-1][1],
        )

    task = f"training {config.seeds} seeds in 2 worlds"
    state = fit(agent, keys, params, config.chunks, meter, on_metrics, task)
    return state.q[: config.seeds], state.q[config.seeds :], Curves(np.array(episodes), np.array(clicks))


STUDY = Study("tampering", "Q-learning learns to polarise its users (Evans & Kasirzadeh)", PRESETS, execute)
