"""The settings of each run of `simulate`: parameters, recommenders and competition, checked, with an axis of runs."""

from collections.abc import Iterable, Sequence
from typing import no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from jaxrec import checks
from jaxrec.envs.rewiring.env import RewiringGame, RewiringParams
from jaxrec.envs.rewiring.heuristics import Heuristic, heuristic, stack_kinds
from jaxrec.parameters import batched, canonical

ALLOWED_VALUES = {"accepts": (False, True), "local": (False, True), "degree": (-1, 0, 1), "exclusive": (False, True)}
"""The values that a field of a `Heuristic` may have."""


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Competition(struct.PyTreeNode):
    """Competition of several recommenders for users (section 5.1 of the paper).

    Attributes:
        shares: float[kinds] or [runs, kinds], sums to 1: the initial fraction of users of each recommender, rounded to
            whole users and shuffled; equal shares if None.
        timescale: float[] or [runs], W2: recommender updates for each other update, from 0; may be infinite. `learning`
            does not read it.
        beta: float[] or [runs], intensity of selection of recommender updates. The default is ten times that of
            strategies.
    """

    shares: Sequence[float] | np.ndarray | Array | None = None
    timescale: float | np.ndarray | Array = 0.0
    beta: float | np.ndarray | Array = 0.05


def per_run(recommenders: Iterable[str | Heuristic | Sequence[str | Heuristic]]) -> Heuristic:
    """Stacks recommenders for a sweep: one for each run (names or `Heuristic`s), or one sequence of kinds for each.

    Raises:
        InputError: for an empty sequence, unknown names, and runs with different numbers of kinds.
    """
    if isinstance(recommenders, str | Heuristic) or not isinstance(recommenders, Iterable):
        raise checks.InputError(
            f"recommenders must be a sequence, with one or several for each run, got {checks.brief(recommenders)}"
        )
    rows = [_kinds(one, f"recommenders[{run}]") for run, one in enumerate(recommenders)]
    if not rows:
        raise checks.InputError("recommenders must have one for each run, got none")
    for run, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise checks.InputError(
                f"recommenders must be as many in each run, got {len(rows[0])} in run 0 and {len(row)} in run {run}"
            )
    return jax.tree.map(lambda *leaves: np.stack(leaves), *map(stack_kinds, rows))


def settings(
    env: RewiringGame, recommenders: object, params: object, competition: object, runs: int | None
) -> tuple[RewiringParams, Heuristic, Competition | None]:
    """Checks the arguments of `simulate` and gives every leaf a leading axis of runs; of recommenders, then of kinds.

    Args:
        env: the game.
        recommenders: one, several kinds, or a `Heuristic` with leading axes [runs, kinds].
        params: `RewiringParams`, leaves [] or [runs]; the defaults of `env` if None.
        competition: `Competition` or None.
        runs: their number, or None to infer it.

    Returns:
        Parameters, recommenders and competition (None if there is one kind).

    Raises:
        InputError: for what `simulate` refuses.
    """
    if not isinstance(env, RewiringGame):
        raise checks.InputError(f"env must be a RewiringGame, got {checks.brief(env)}")
    params = env.default_params if params is None else params
    if not isinstance(params, RewiringParams):
        raise checks.InputError(f"params must be RewiringParams or None, got {checks.brief(params)}")
    if not isinstance(competition, Competition | None):
        raise checks.InputError(f"competition must be Competition or None, got {checks.brief(competition)}")
    stacked = isinstance(recommenders, Heuristic) and np.ndim(recommenders.local) == 2
    kinds: Heuristic = recommenders if stacked else stack_kinds(_kinds(recommenders, "recommenders"))  # type: ignore
    if stacked:
        _check_heuristic(kinds, "recommenders", np.shape(kinds.local))
    runs = _num_runs(params, competition, np.shape(kinds.local)[0] if stacked else None, runs)
    every: RewiringParams = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (runs,)), canonical(params))
    env.check_params(every, (runs,))
    kinds = kinds if stacked else batched(kinds, runs)
    return every, kinds, _competition_per_run(competition, runs, np.shape(kinds.local)[1])


def _kinds(recommenders: object, name: str) -> list[Heuristic]:
    """Converts one recommender, or a sequence of them, to heuristics."""
    if not isinstance(recommenders, list | tuple):
        return [_heuristic(recommenders, name)]
    if not recommenders:
        raise checks.InputError(f"{name} must name at least one, got none")
    return [_heuristic(one, f"{name}[{kind}]") for kind, one in enumerate(recommenders)]


def _heuristic(one: object, name: str) -> Heuristic:
    if isinstance(one, str):
        return heuristic(one)
    if not isinstance(one, Heuristic):
        raise checks.InputError(f"{name} must be a name or a Heuristic, got {checks.brief(one)}")
    _check_heuristic(one, name, ())
    return one


def _check_heuristic(one: Heuristic, name: str, batch: tuple[int, ...]) -> None:
    """Raises InputError for leaves whose shape does not begin with `batch`, or whose values are not allowed."""
    for field, allowed in ALLOWED_VALUES.items():
        value = getattr(one, field)
        checks.shaped(f"{name}.{field}", value, (*batch, 2, 2) if field == "accepts" else batch)
        wrong = np.asarray(value)[~np.isin(value, allowed)]
        if wrong.size:
            raise checks.InputError(f"{name}.{field} must be one of {allowed}, got {wrong.flat[0]}")


def _num_runs(
    params: RewiringParams, competition: Competition | None, recommenders: int | None, runs: int | None
) -> int:
    """Infers the number of runs from parameters, competition, recommenders or `runs`."""
    axes = {
        f"params{jax.tree_util.keystr(path)}": (leaf, 0) for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    if competition is not None:
        axes |= {f"competition.{name}": (getattr(competition, name), 0) for name in ("timescale", "beta")}
        axes |= {} if competition.shares is None else {"competition.shares": (competition.shares, 1)}
    lengths = {}
    for name, (value, alone) in axes.items():
        checks.concrete(name, value)
        shape = np.shape(value)
        if not alone <= len(shape) <= alone + 1:
            raise checks.InputError(
                f"{name} must be {'[kinds] or [runs, kinds]' if alone else 'a number, or one for each run'}, got shape "
                f"{list(shape)}"
            )
        if len(shape) > alone:
            lengths[name] = shape[0]
    if recommenders is not None:
        lengths["recommenders"] = recommenders
    if runs is not None:
        checks.positive("runs", runs)
        lengths["runs"] = runs
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise checks.InputError(f"the number of runs must be one, and at least 1, got {lengths}")
    return next(iter(lengths.values()), 1)


def _competition_per_run(competition: Competition | None, runs: int, kinds: int) -> Competition | None:
    """Gives every leaf a leading axis of runs; None if there is one kind.

    Raises:
        InputError: for one kind in competition, shares that do not sum to 1, or values out of range.
    """
    if kinds == 1:
        if competition is not None:
            raise checks.InputError("competition needs at least two recommenders, got one")
        return None
    given = Competition() if competition is None else competition
    shares = np.full(kinds, 1 / kinds) if given.shares is None else np.asarray(given.shares, float)
    checks.shaped("competition.shares", shares, (kinds,) if shares.ndim == 1 else (runs, kinds))
    checks.within("competition.shares", shares, 0.0, 1.0)
    totals = shares.sum(axis=-1)
    if np.abs(totals - 1).max() > 1e-6:
        raise checks.InputError(
            f"competition.shares must sum to 1, got {shares.tolist()}, which sum to {totals.tolist()}"
        )
    checks.within("competition.timescale", given.timescale, 0.0, np.inf)
    checks.within("competition.beta", given.beta, 0.0, checks.LARGEST)
    return Competition(
        shares=jnp.broadcast_to(jnp.asarray(shares, jnp.float32), (runs, kinds)),
        timescale=jnp.broadcast_to(jnp.asarray(given.timescale, jnp.float32), (runs,)),
        beta=jnp.broadcast_to(jnp.asarray(given.beta, jnp.float32), (runs,)),
    )
