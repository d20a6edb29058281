"""One agent for each run: its methods, jitted over an axis of runs, which is sharded over devices."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Int, PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.parameters import canonical
from jaxrec.runtime import devices, processes, sharding, xla_flags
from jaxrec.runtime.batching import vmap
from jaxrec.runtime.jit_by_class import jit
from jaxrec.runtime.memory_limit import check_fits
from jaxrec.training import fingerprint
from jaxrec.training.agent import Agent
from jaxrec.training.checkpoints import Training

Learner = TypeVar("Learner")


class Runs:
    """The trainings of one agent, one for each key, over the devices of a mesh.

    Attributes:
        agent: the algorithm.
        given: what tells the runs apart: "keys", "params" and, where there are any, "swept" values; as given.
    """

    def __init__(self, agent: Agent, keys: Array, params: PyTree, swept: Mapping[str, Any] | None, mesh: Mesh | None):
        """Checks and keeps what is trained.

        Args:
            agent: the algorithm.
            keys: typed keys [runs].
            params: run-time values with a leading axis of runs on every leaf.
            swept: hyper-parameter -> its values, with a leading axis of runs on every leaf; or None.
            mesh: devices over which runs, and perhaps environments, are sharded; as many as divide the runs if None.

        Raises:
            InputError: for what is no agent, no keys [runs], parameters or hyper-parameters out of range or without an
                axis of runs.
        """
        _check_runs(agent, keys, params)
        values: dict[str, Any] = canonical(dict(swept or {}))
        check_swept(agent, values, len(keys))
        with_swept(agent, values).check()
        agent.env.check_params(params, keys.shape)
        params = canonical(params)
        self.agent, self._mesh = agent, devices.mesh(len(keys)) if mesh is None else mesh
        self.given = {"keys": keys, "params": params} | ({"swept": values} if values else {})

    def identity(self, start: PyTree, evaluate: Callable[..., Array] | None) -> str:
        """What the training is, for checkpoints to be told from those of another; see `fingerprint.identity`.

        Args:
            start: the state to start from; None for that of `agent.init`.
            evaluate: what scores policies, or None.
        """
        return fingerprint.identity(
            agent=with_swept(self.agent, self.given.get("swept", {})),
            keys=self.given["keys"],
            params=self.given["params"],
            start=processes.all_gather(start),
            evaluate=evaluate,
        )

    def start(self, state: PyTree) -> PyTree:
        """The states to start from, over the devices: copies of `state`, or what `agent.init` gives if that is None.

        Raises:
            InputError: if the training needs more memory than there is, or `state` is within episodes that all end
                together.
        """
        _check_start(self.agent.env, state)
        keys, params, swept = self.given["keys"], self.given["params"], self.given.get("swept", {})
        self._keys, self._params, self._swept = devices.put((keys, params, swept), self._mesh)
        given = self.agent, self._swept, self._keys, self._params, self._mesh
        shapes = init.eval_shape(*given) if state is None else state
        batch = experience.eval_shape(self.agent, shapes, self._params) if hasattr(self.agent, "experience") else ()
        check_fits(shapes, batch, self._mesh)
        return devices.put(init(*given) if state is None else copied(state), self._mesh, given[:-1])

    def placed(self, training: Training) -> Training:
        """`training` with its states over the devices."""
        beside = self.agent, self._swept, self._keys, self._params
        state, best = (devices.put(part, self._mesh, beside) for part in (training.state, training.best))
        return training._replace(state=state, best=best)

    def advance(self, state: PyTree, first: int, last: int) -> tuple[PyTree, dict[str, np.ndarray]]:
        """Updates `first` ... `last` - 1 of every training; `state` is donated.

        Args:
            state: of all runs.
            first: the first update.
            last: the update after the last.

        Returns:
            The states after them, and the means of their metrics, float[runs]; "state" is NaN where NaN is in a state.
        """
        state, metrics = advance(self.agent, self._swept, state, self._params, first, last, self._mesh)
        gathered = processes.all_gather(metrics | {"state": nan_within(state)})
        return state, {name: np.asarray(value) for name, value in gathered.items()}

    def scores(self, evaluate: Callable[..., Array], policy: PyTree) -> Array:
        """float[runs]: what `evaluate` gives for the policy of each run."""
        return scores(evaluate, policy, self._params, self._keys, self._mesh)

    def to_local(self, state: PyTree) -> PyTree:
        """All states over the devices of this process alone."""
        return devices.to_local(state)


def _check_runs(agent: Agent, keys: object, params: PyTree) -> None:
    """Raises InputError for what is no agent, no keys [runs], or no parameters of its environment for each of them."""
    # Not `isinstance(agent, Agent)`: that asks properties, which settings that are yet to be checked may break.
    if isinstance(agent, type) or not all(hasattr(type(agent), name) for name in ("init", "advance", "check")):
        hint = ": call it" if isinstance(agent, type) else ""
        raise checks.InputError(f"agent must be an agent, such as jaxrec.agents.PPO, got {checks.brief(agent)}{hint}")
    checks.typed_keys("keys", keys)
    if params is None:
        raise checks.InputError(
            "params must have a leading axis of runs, got None: jaxrec.batched(env.default_params, runs)"
        )
    if isinstance(agent.env, Environment):
        agent.env.check_type(params)


def _check_start(env: Any, state: PyTree) -> None:
    """Raises InputError for a start within an episode, where a count of steps says when all begin anew."""
    horizon, within = getattr(env, "fixed_horizon", None), getattr(state, "env_state", None)
    if horizon is not None and within is not None and (processes.all_gather(within.time) % horizon).any():
        raise checks.InputError(
            f"state must be at the start of an episode in {env.name}, where all last {horizon} steps and end together; "
            f"its environments are at steps up to {int(processes.all_gather(within.time).max())}: take what "
            "`agent.init` gives and put into it what was learned (weights, or a table) alone"
        )


def check_swept(agent: PyTree, swept: dict[str, Any], runs: int) -> None:
    """Checks values of hyper-parameters.

    Args:
        agent: the algorithm.
        swept: hyper-parameter -> its values.
        runs: how many there are.

    Raises:
        InputError: unless each is a hyper-parameter that is no static field, with a value for each run.
    """
    leaves = {field.name: None for field in dataclasses.fields(agent) if field.metadata.get("pytree_node", True)}
    for name, values in swept.items():
        checks.lookup(leaves, name, f"hyper-parameter that may be swept of {type(agent).__name__}")
        for leaf in jax.tree.leaves(values):
            checks.shaped(f"swept[{name!r}]", leaf, (runs, *leaf.shape[1:]))


def with_swept(agent: Learner, swept: dict[str, Any]) -> Learner:
    """`agent` with the hyper-parameters of one run, or of all."""
    return agent.replace(**swept) if swept else agent  # type: ignore[attr-defined]


@jit()
def experience(agent: Any, state: PyTree, params: PyTree) -> PyTree:
    """Gives what the first batch will be learned from.

    Args:
        agent: an `Agent` that has `experience(state, params)`.
        state: of all runs.
        params: run-time values, with a leading axis of runs on every leaf.

    Returns:
        A PyTree with a leading axis of runs on every leaf.
    """
    return vmap(agent.experience)(state, params)


@jit(static_argnames=("evaluate", "mesh"))
def scores(evaluate: Callable[..., Array], policy: PyTree, params: PyTree, keys: Array, mesh: Mesh) -> Array:
    """Scores a policy of each run, on the same draws at every call, and on others than those of the training.

    Args:
        evaluate: (policy, params, key) -> float[].
        policy: of all runs.
        params: run-time values, with a leading axis of runs on every leaf.
        keys: typed keys [runs], those of the training.
        mesh: the devices.

    Returns:
        float[runs].
    """

    def evaluated(_: tuple[()], policy: PyTree, params: PyTree, keys: Array) -> Array:
        return vmap(evaluate)(policy, params, jax.vmap(lambda key: jax.random.fold_in(key, 2**32 - 1))(keys))

    return _by_runs(evaluated, mesh)((), policy, params, keys)


@jit(static_argnames="mesh", compiler_options=xla_flags.BRIEFLY)
def init(agent: Agent, swept: dict[str, Any], keys: Array, params: PyTree, mesh: Mesh) -> PyTree:
    """Gives the start of every training.

    Args:
        agent: the algorithm.
        swept: hyper-parameter -> its values, with a leading axis of runs on every leaf.
        keys: typed keys [runs].
        params: run-time values, with a leading axis of runs on every leaf.
        mesh: the devices.

    Returns:
        The states of all runs.
    """

    def init(agent: Agent, swept: dict[str, Any], keys: Array, params: PyTree) -> PyTree:
        return vmap(lambda swept, *run: with_swept(agent, swept).init(*run))(swept, keys, params)

    return _laid(_by_runs(init, mesh)(agent, swept, keys, params), mesh)


@jit()
def copied(state: PyTree) -> PyTree:
    """Every leaf in memory of its own, as `advance` takes them: outside `jit`, `init` may give the same array twice."""
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype, copy=True), state)


@jit(static_argnames="mesh", donate_argnames="state")
def advance(
    agent: Agent,
    swept: dict[str, Any],
    state: PyTree,
    params: PyTree,
    first: Int[Array, ""] | int,
    last: Int[Array, ""] | int,
    mesh: Mesh,
) -> tuple[PyTree, dict[str, Array]]:
    """Makes updates `first` ... `last` - 1 of every training.

    Args:
        agent: the algorithm.
        swept: hyper-parameter -> its values, with a leading axis of runs on every leaf.
        state: of all runs; donated.
        params: run-time values, with a leading axis of runs on every leaf.
        first: the first update.
        last: the update after the last.
        mesh: the devices.

    Returns:
        (states of all runs, metric -> float[runs]).
    """

    def advance(shared: PyTree, swept: dict[str, Any], state: PyTree, params: PyTree) -> PyTree:
        # The updates are counted outside the `vmap`: what depends on them alone, such as a reset, stays a branch.
        agent, first, last = shared
        return vmap(lambda swept, *run: with_swept(agent, swept).advance(*run, first, last))(swept, state, params)

    state, metrics = _by_runs(advance, mesh)((agent, first, last), swept, state, params)
    return _laid(state, mesh), metrics


def _laid(state: PyTree, mesh: Mesh) -> PyTree:
    """`state` as `devices.put` lays it out: otherwise a second call would compile again."""
    return jax.lax.with_sharding_constraint(state, sharding.shardings(state, mesh)) if mesh.size > 1 else state


def _by_runs(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """`function` of what runs share, and of what has an axis of runs: each device takes its own."""
    if mesh.size == 1:
        return function

    def spread(shared: PyTree, *per_run: PyTree) -> PyTree:
        specs = (PartitionSpec(), *[PartitionSpec(sharding.RUNS)] * len(per_run))
        mapped = jax.shard_map(
            function,
            mesh=mesh,
            in_specs=specs,
            out_specs=PartitionSpec(sharding.RUNS),
            axis_names={sharding.RUNS},
            check_vma=False,
        )
        return mapped(shared, *per_run)

    return spread


@partial(jax.jit, compiler_options=xla_flags.BRIEFLY)
def nan_within(state: PyTree) -> Array:
    """float[runs]: 0, or NaN where NaN is anywhere in the state: the last update of a chunk is in no metric yet."""
    floats = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.size]
    each = [leaf.reshape(len(leaf), -1) for leaf in floats]
    small = [leaf for leaf in each if leaf.size <= 2**20]  # looked through as one: each would take a kernel of its own
    together = [jax.lax.optimization_barrier(jnp.concatenate(small, axis=1))] if small else []
    several = (jnp.isnan(leaf).any(axis=1) for leaf in [*together, *(leaf for leaf in each if leaf.size > 2**20)])
    return sum((jnp.where(found, jnp.nan, 0.0) for found in several), start=jnp.zeros(()))
