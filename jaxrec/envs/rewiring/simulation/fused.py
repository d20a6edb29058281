"""Time-steps by one kernel of Pallas for a GPU, which launches once for all of them: a warp plays one society.

XLA launches nine to ten kernels a time-step, 2 to 5 microseconds each, whatever they do. No GPU has timed this one yet;
on a CPU it is interpreted, which is slow and for tests.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.envs.rewiring.games import PAIRWISE
from jaxrec.envs.rewiring.graph import draws
from jaxrec.envs.rewiring.graph.society import stack, unstack
from jaxrec.envs.rewiring.heuristics import Heuristic
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.envs.rewiring.simulation.lanes import Lanes
from jaxrec.envs.rewiring.warp import sets
from jaxrec.envs.rewiring.warp.game import VALUES, Game, Values, candidates
from jaxrec.envs.rewiring.warp.launch import in_place
from jaxrec.random.xoshiro import following

COUNTS = 3  # opportunities, requests, rewires


def check_covered(rules: Rules, recommenders: Heuristic) -> None:
    """Raises InputError unless the kernel plays this game with recommenders [runs, kinds]."""
    if rules.game != PAIRWISE or np.shape(recommenders.local)[-1] > 1 or np.any(recommenders.degree):
        raise checks.InputError(
            "engine 'pallas' plays games of two players with one recommender that reads no degrees, got "
            f"{rules.game}, {np.shape(recommenders.local)[-1]} of them, degree {checks.brief(recommenders.degree)}"
        )


def advance(rules: Rules, num_steps: int, state: Lanes, seeds: Array, setting: PyTree) -> Lanes:
    """Advances the lanes of one device.

    Given the same seeds the results are those of `dynamics.time_step`, but for decisions that hang on the last digit of
    a float.

    Args:
        rules: which game.
        num_steps: time-steps.
        state: the lanes, of what `check_covered` accepts; updated in place, but for a copy of a padded set.
        seeds: uint32[4, lanes], from `random.seed`.
        setting: params, recommenders and competition; leaves have lanes as the last axis.

    Returns:
        The lanes after the time-steps.
    """
    society, lanes = unstack(state.society), seeds.shape[1]
    words = society.adjacency.shape[-1]
    counts = jnp.stack([state.opportunities, state.requests, state.rewires], axis=-1)
    changed = [sets.padded(society.adjacency), sets.padded(society.cooperators), counts]
    changed += [society.edges] if society.edges.size else []
    read = [seeds.T, *_tables(setting, lanes)]
    kernel = partial(_kernel, rules, society.num_users, num_steps, len(read))
    adjacency, cooperators, counts, *edges = jax.vmap(partial(in_place, kernel))(read, changed)
    society = society.replace(
        adjacency=adjacency[..., :words], cooperators=cooperators[:, :words], edges=[*edges, society.edges][0]
    )
    return Lanes(stack(society), *counts.T)


def _tables(setting: PyTree, lanes: int) -> tuple[Array, Array]:
    """float32[lanes, 5], `VALUES`, and int32[lanes, 5], the recommender: `accepts` and `local`."""
    values = [getattr(setting.params, name) for name in VALUES]
    one = setting.recommenders
    flags = [*one.accepts[0].reshape(4, -1), one.local[0]]
    spread = [[jnp.broadcast_to(leaf, lanes) for leaf in group] for group in (values, flags)]
    return jnp.stack(spread[0], axis=-1).astype(jnp.float32), jnp.stack(spread[1], axis=-1).astype(jnp.int32)


def _kernel(rules: Rules, users: int, num_steps: int, read: int, interpreted: bool, *refs: Any) -> None:
    """Plays the society of one program of the grid."""
    seeds, values, flags = refs[:read]
    adjacency, cooperators, counts, *edges = refs[read + (len(refs) - read) // 2 :]
    params = Values(**{name: values[place] for place, name in enumerate(VALUES)})
    game = Game(rules, users, params, adjacency, [*edges, None][0], interpreted)
    accepts = [[flags[2 * own + theirs] != 0 for theirs in range(2)] for own in range(2)]
    step = partial(_step, game, Heuristic(accepts, flags[4] != 0))
    start = (
        tuple(seeds[word] for word in range(4)),
        cooperators[:],
        tuple(counts[place] for place in range(COUNTS)),
    )
    _, members, counted = jax.lax.fori_loop(0, num_steps, lambda _, carry: step(*carry), start)
    cooperators[:] = members
    for place in range(COUNTS):
        counts[place] = counted[place]


def _step(
    game: Game, recommender: Heuristic, numbers: tuple[Array, ...], cooperators: Array, counts: tuple[Array, ...]
) -> tuple[tuple[Array, ...], Array, tuple[Array, ...]]:
    """One time-step, `dynamics.time_step`: the next state of the generator, cooperators and counts."""
    a, b, c, d = numbers
    words = []
    for _ in range(3):
        (a, b, c, d), word = following(a, b, c, d)
        words.append(word)
    met = game.meet((words[0], words[1], words[2]), cooperators)
    if not game.rules.single_clock:
        cooperators = game.imitated(met, cooperators)
    pool = candidates(game, recommender, met, cooperators)
    size = sets.count(pool)
    new = sets.select(pool, draws.choose(met.choice, size)[0])
    moved = game.rewire(met, new, size > 0)
    if game.rules.single_clock:
        cooperators = game.imitated_after(met, new, moved, cooperators)
    happened = (met.structural, met.request, moved)
    counted = tuple(count + one.astype(jnp.int32) for count, one in zip(counts, happened, strict=True))
    return (a, b, c, d), cooperators, counted
