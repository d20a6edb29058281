"""Trains the learner in all worlds, compares what it learned, and asks the causal diagram."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec import random
from jaxrec.audit import Samples, Tampering, audit
from jaxrec.causal import Diagram
from jaxrec.experiments.audit.settings import AuditConfig
from jaxrec.experiments.runs.tools import Tools


@dataclass(frozen=True)
class Measured:
    """An audit as arrays and plain values.

    Attributes:
        path: the witness, or None.
        edges, decisions, utilities, nodes: of the causal diagram.
        samples: what was compared.
        steps: int[chunks], steps of each training until the end of each chunk.
        reward: float[chunks, worlds, seeds], the mean reward of a step in each chunk.
    """

    path: list[str] | None
    edges: list[tuple[str, str]]
    decisions: list[str]
    utilities: list[str]
    nodes: list[str]
    samples: Samples
    steps: np.ndarray
    reward: np.ndarray

    @property
    def tampering(self) -> Tampering:
        """The audit."""
        return Tampering(self.path, Diagram(self.edges, self.decisions, self.utilities, self.nodes), self.samples)


def measure(config: AuditConfig, tools: Tools) -> Measured:
    """Audits the learner.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        The audit, and the course of the training.
    """
    env, params = config.world()
    worlds, courses = config.num_worlds, []

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        names = ("reward_factual", "reward_decoupled", "reward_initial")
        return {"steps": steps} | dict(zip(names, metrics["reward"].reshape(worlds, -1), strict=False))

    def train(agent: Any, keys: Array, params: PyTree, task: str) -> PyTree:
        state, course = tools.train(agent, keys, params, task, config.num_chunks, line)
        courses.append(course)
        return state

    found = audit(
        env,
        config.learner(env),
        random.key(config.seed, config.generator),
        params,
        seeds=config.seeds,
        episodes=config.evaluation_episodes,
        split=config.split,
        horizon=config.diagram_steps,
        max_steps=config.max_steps,
        train=train,
        meter=tools.meter,
    )
    diagram, (course,) = found.diagram, courses
    return Measured(
        path=found.path,
        edges=list(diagram.edges),
        decisions=list(diagram.decisions),
        utilities=list(diagram.utilities),
        nodes=list(diagram.nodes),
        samples=found.samples,
        steps=course.steps,
        reward=course.metrics["reward"].reshape(len(course.steps), worlds, config.seeds),
    )
