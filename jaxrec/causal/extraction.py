"""From a program to its diagram: edges found by experiment, and an upper bound by the program's text."""

import dataclasses
from collections.abc import Iterator
from typing import Literal

import jax
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.causal.criteria import control_path
from jaxrec.causal.diagram import Diagram, Edge
from jaxrec.causal.experiments import effects, visited
from jaxrec.causal.outcomes import Inputs, Outcome, leaf_names, named, outcome, preference_leaves
from jaxrec.causal.programs import reads
from jaxrec.environment import Environment
from jaxrec.inputs import check_env, check_policy
from jaxrec.parameters import canonical
from jaxrec.policy import Policy

By = Literal["experiment", "program"]


@dataclasses.dataclass(frozen=True)
class Edges:
    """Which parts of a step depend on which.

    A source is a leaf of the state, "action" or "noise" (the key of the step); "next.theta" is the leaf theta of the
    state after the step.

    Attributes:
        step: (source, target) over one whole step, in which a change runs its course: a target is a leaf of the next
            state, "obs", what is observed of that, or "reward".
        observation: the leaves that an observation is made of.
        reward: the sources that a reward reads directly: leaves before and after the step, and "action".
    """

    step: frozenset[Edge]
    observation: frozenset[str]
    reward: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Dependence:
    """Which parts of an environment depend on which.

    Attributes:
        found: edges by experiment. Each is real, in a state that an episode may not reach: leaves are swapped one by
            one. One that is missing changed no output in `samples` interventions.
        possible: edges by program. One that is missing cannot be; one that is present may cancel, as a count does in
            the difference that pays a new click.
        samples: interventions made on each source.
        leaves: the names of the leaves of the state.
    """

    found: Edges
    possible: Edges
    samples: int
    leaves: tuple[str, ...]

    @property
    def unconfirmed(self) -> list[tuple[str, str]]:
        """The edges of a step that the program has and no experiment found."""
        return sorted(self.possible.step - self.found.step)

    def unrolled(self, horizon: int = 3, by: By = "experiment", noise: bool = False) -> Diagram:
        """Joins steps to a diagram.

        Its nodes are the leaves of the state at each time, such as "theta_1", "obs_0" ..., "A_0" ... and "R_1" ...;
        R_1 is the reward for A_0. An action is chosen by the observation of its time alone. Episodes do not end.

        Args:
            horizon: steps, at least 1.
            by: "experiment" or "program": which edges.
            noise: whether draws are nodes too, "noise_0" ...: a draw that two leaves share joins them. It changes no
                control incentive.

        Returns:
            The diagram.

        Raises:
            InputError: for less than one step, or another word.
        """
        checks.positive("horizon", horizon, checks.MOST_STEPS)
        edges = checks.lookup({"experiment": self.found, "program": self.possible}, by, "by")
        pairs = [pair for t in range(horizon) for pair in self._step(edges, t) if noise or pair[0] != f"noise_{t}"]
        nodes = [f"{leaf}_{t}" for leaf in self.leaves for t in range(horizon + 1)]
        decisions, utilities = [f"A_{t}" for t in range(horizon)], [f"R_{t + 1}" for t in range(horizon)]
        return Diagram(pairs, decisions, utilities, [*nodes, *decisions, *utilities])

    def _step(self, edges: Edges, t: int) -> Iterator[tuple[str, str]]:
        """The edges of step t."""
        yield f"obs_{t}", f"A_{t}"
        yield from ((f"{leaf}_{t}", f"obs_{t}") for leaf in edges.observation)
        for source, target in edges.step:
            if target in self.leaves:
                yield _at(source, t), f"{target}_{t + 1}"
        yield from ((_at(source, t), f"R_{t + 1}") for source in edges.reward)


def diagram_of(
    env: Environment,
    params: PyTree = None,
    horizon: int = 3,
    key: Array | None = None,
    policy: Policy | None = None,
    samples: int = 512,
    by: By = "experiment",
) -> Diagram:
    """Extracts the causal influence diagram of an environment and its reward.

    Args:
        env: any environment; its `reward` decides what the utilities are.
        params: run-time values; its defaults if None.
        horizon: steps, at least 1.
        key: a typed key, for experiments; `jax.random.key(0)` if None.
        policy: visits the states in which experiments are made; the environment's "random" one, or random actions, if
            None.
        samples: interventions on each source, at least 2.
        by: "experiment", edges that were seen to be real; or "program", all that the code allows.

    Returns:
        The diagram of `Dependence.unrolled`.

    Raises:
        InputError: for a wrong environment, parameters, key or policy, or a number out of range.
    """
    return dependence_of(env, params, key, policy, samples).unrolled(horizon, by)


def dependence_of(
    env: Environment,
    params: PyTree = None,
    key: Array | None = None,
    policy: Policy | None = None,
    samples: int = 512,
) -> Dependence:
    """Finds which parts of an environment depend on which, by paired interventions and by its program.

    Steps (state, action, key) are visited under a policy. In each, one source (a leaf of the state, the action, or the
    key) is replaced by that of another visited step, and all else is held. Outputs that differ depend on the source.
    The reward reads a leaf of the state directly if it differs with the next state held, and if it differs as well
    when the next state follows: a count that is only subtracted from the next one is no cause.

    Args:
        env: any environment.
        params: run-time values; its defaults if None.
        key: a typed key; `jax.random.key(0)` if None.
        policy: visits the states; the environment's "random" one, or random actions, if None.
        samples: interventions on each source, at least 2.

    Returns:
        Edges of both kinds.

    Raises:
        InputError: for a wrong environment, parameters, key or policy, or a number out of range.
    """
    check_env(env)
    checks.positive("samples", samples)
    checks.within("samples", samples, 2, checks.MOST_STEPS)
    key = jax.random.key(0) if key is None else key
    checks.typed_key("key", key)
    if policy is not None:
        check_policy(policy)
    params = canonical(env.resolve(params))
    key_visits, key_pairs = jax.random.split(key)
    given = visited(env, params, key_visits, policy, samples)
    found = effects(env, params, given, key_pairs)
    one = jax.tree.map(lambda leaf: leaf[0], given)
    return Dependence(
        found=_edges(found, one),
        possible=_edges(_by_program(env, params, one), one),
        samples=samples,
        leaves=_leaves(one),
    )


def preference_path(env: Environment, diagram: Diagram, decision: str = "A_0") -> list[str] | None:
    """Finds the shortest path on which a recommendation uses the users' preferences as a means.

    Args:
        env: the environment of the diagram.
        diagram: from `diagram_of`; of `without_information()`, paths through later observations do not count.
        decision: one of its decisions.

    Returns:
        The path; None if there is no such incentive: user tampering cannot be learned (Evans & Kasirzadeh, "User
        Tampering", Definition 1).

    Raises:
        InputError: for an environment that names no preferences, or an unknown decision.
    """
    leaves = preference_leaves(env)
    nodes = [name for name in diagram.nodes if name.rpartition("_")[0] in leaves]
    paths = [path for name in nodes if (path := control_path(diagram, name, decision))]
    return min(paths, key=len, default=None)


def _by_program(env: Environment, params: PyTree, given: Inputs) -> Outcome:
    """Puts in each leaf of an outcome the names of the inputs that the program may read for it."""
    names = jax.tree.leaves(named(given))
    found = reads(lambda one: outcome(env, params, one), given)
    structure = jax.tree.structure(jax.eval_shape(lambda one: outcome(env, params, one), given))
    return jax.tree.unflatten(structure, [frozenset(names[index] for index in indices) for indices in found])


def _leaves(given: Inputs) -> tuple[str, ...]:
    """The names of the leaves of a state that hold a value: an array of no elements causes nothing."""
    pairs = zip(jax.tree.leaves(leaf_names(given.state)), jax.tree.leaves(given.state), strict=True)
    return tuple(name for name, leaf in pairs if leaf.size)


def _edges(sources: Outcome, given: Inputs) -> Edges:
    """Sorts what depends on what into the parts of a step."""
    names, leaves = jax.tree.leaves(leaf_names(given.state)), _leaves(given)
    targets = [
        *zip(names, jax.tree.leaves(sources.next_state), strict=True),
        *(("obs", read) for read in jax.tree.leaves(sources.next_obs)),
        ("reward", sources.reward),
    ]
    empty = set(names) - set(leaves)
    step = frozenset((source, target) for target, read in targets for source in read if not {source, target} & empty)
    return Edges(
        step=step,
        observation=frozenset(leaves).intersection(frozenset().union(*jax.tree.leaves(sources.obs))),
        reward=frozenset(
            name
            for name in sources.paid
            if name.removeprefix("next.") not in empty and (name.startswith("next.") or (name, "reward") in step)
        ),
    )


def _at(source: str, t: int) -> str:
    """The node of a source in step t."""
    return (
        f"A_{t}" if source == "action" else f"{source[5:]}_{t + 1}" if source.startswith("next.") else f"{source}_{t}"
    )
