"""Audits every agent in its society: trains it with influence and without, and compares what it learned."""

import itertools
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec.audit import Samples, Tampering, audit, compare
from jaxrec.causal import Diagram, diagram_of, preference_path
from jaxrec.envs.learned import LearnedParams, LearnedUsers
from jaxrec.experiments.audits.settings import CASES, AuditsConfig, Case
from jaxrec.experiments.preference.models import choice_models, learn, log_users, run
from jaxrec.experiments.runs.tools import Tools
from jaxrec.parameters import batched


@dataclass(frozen=True)
class Measured:
    """All audits.

    Attributes:
        paths: society -> the path over users in its diagram, or None.
        samples: case -> what was compared.
    """

    paths: dict[str, list[str] | None]
    samples: dict[str, Samples]

    def tampering(self, name: str) -> Tampering:
        """The audit of a case; its diagram is the path alone."""
        path = self.paths[CASES[name].society]
        nodes = path or ["A_0", "R_1"]
        edges = list(itertools.pairwise(nodes))
        return Tampering(path, Diagram(edges, [nodes[0]], [nodes[-1]]), self.samples[name])


def measure(config: AuditsConfig, tools: Tools) -> Measured:
    """Audits all cases, one after the other.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        What was compared in each.
    """
    key_model, key = jax.random.split(jax.random.key(config.seed))
    diagrams: dict[str, Diagram] = {}
    paths: dict[str, list[str] | None] = {}
    samples = {}
    for name in config.cases:
        case = CASES[name]
        found = _audit(config, case, key, learned_users(config, key_model, tools) if _needs_model(case) else None,
                       diagrams.get(case.society), tools)  # fmt: skip
        diagrams[case.society], paths[case.society], samples[name] = found.diagram, found.path, found.samples
        tools.log(part="audit", case=name, incentive=found.incentive.value, exploits=found.exploits.value)
    return Measured(paths, samples)


def learned_users(config: AuditsConfig, key: Array, tools: Tools) -> LearnedParams:
    """Learns a model of users from logs of mixed policies.

    Args:
        config: how.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The model, as run-time values of `LearnedUsers`.
    """
    key_log, key_learn = jax.random.split(key)
    data, model = log_users(config.user_model, key_log), LearnedUsers()
    untrained = choice_models((0.0,), 1, model.default_params)
    return run(learn(config.user_model, model, untrained, key_learn, data.training, data.validation, tools), 0)


def _needs_model(case: Case) -> bool:
    return case.society == "LearnedUsers"


def _audit(
    config: AuditsConfig, case: Case, key: Array, model: LearnedParams | None, diagram: Diagram | None, tools: Tools
) -> Tampering:
    """Audits one case.

    Args:
        config: the settings.
        case: which agent in which society.
        key: a typed key.
        model: of the users, where the agent learns in it.
        diagram: of the society, if it is known.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The audit.
    """
    env, learner = config.society(case), config.learner(case)
    params: Any = env.default_params if model is None else env.default_params.replace(model=model)
    if learner is None:
        return _unlearned(config, case, key, diagram, tools)
    found_in = f"{case.society}, {case.agent}"

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        return {"part": "training", "case": found_in, "steps": steps, "reward": metrics["reward"]}

    def train(agent: Any, keys: Array, worlds: PyTree, task: str) -> PyTree:
        return tools.train(agent, keys, worlds, f"{found_in}: {task}", config.num_chunks, line)[0]

    return audit(
        env,
        learner,
        key,
        params,
        seeds=config.seeds,
        episodes=config.evaluation_episodes,
        learner_params=model,
        split=config.split and case.looks_ahead,
        horizon=config.diagram_steps,
        max_steps=config.max_steps,
        train=train,
        meter=tools.meter,
        diagram=diagram,
    )


def _unlearned(config: AuditsConfig, case: Case, key: Array, diagram: Diagram | None, tools: Tools) -> Tampering:
    """Audits a policy that is the same whatever the world.

    Args:
        config: the settings.
        case: of the bandit.
        key: a typed key.
        diagram: of the society, if it is known.
        tools: its meter is notified of the progress.

    Returns:
        The audit.
    """
    env = config.society(case)
    diagram = diagram or diagram_of(env, None, config.diagram_steps, key)
    policies = batched(env.policy("bandit"), config.seeds)
    found = compare(env, policies, policies, key, None, config.evaluation_episodes, config.max_steps, meter=tools.meter)
    return Tampering(preference_path(env, diagram), diagram, found)
