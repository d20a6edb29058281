"""Rewiring games to hold against plain Python: random ones, and what turns the reference's states into arrays."""

import itertools
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import rewiring_reference as ref
from societies import as_bits, checked

from jaxrec.envs.rewiring import (
    HEURISTICS,
    Competition,
    PublicGoods,
    RewiringParams,
    dynamics,
    heuristics,
    rules,
)
from jaxrec.envs.rewiring.graph.society import Society

PRESETS = sorted(rules.PRESETS)
FACTOR = 2.3
VARIANTS = {
    "average": {"fitness": "average"},
    "goods": {"game": PublicGoods(FACTOR)},
    "goods by player": {"game": PublicGoods(FACTOR, "player")},
}
RULES = rules.PRESETS | {name: replace(rules.CARVALHO, name=name, **changes) for name, changes in VARIANTS.items()}
NAMES = list(HEURISTICS)
SIZES = {"santos": (33, 90), "printed": (20, 50), "carvalho": (40, 110), "learning": (12, 26)}


def matrix_of(state):
    matrix = np.zeros((len(state.adjacency),) * 2, bool)
    for user, near in enumerate(state.adjacency):
        matrix[user, list(near)] = True
    return matrix


def ties_of(state):
    return [(a, b) for a, near in enumerate(state.adjacency) for b in sorted(near) if a < b]


def many_of(states, num_kinds, edges=None):
    """A `Society` in the layout for many, with degrees; with ties where `edges`, and members if there are kinds."""
    matrices = np.stack([matrix_of(state) for state in states])
    kinds = np.array([state.kinds for state in states])
    members = as_bits(kinds[None] == np.arange(num_kinds)[:, None, None])
    ties = np.zeros((len(states), 0, 2), np.int32) if edges is None else np.asarray(edges, np.int32)
    return Society(
        adjacency=jnp.asarray(as_bits(matrices)),
        cooperators=jnp.asarray(as_bits(np.array([state.cooperates for state in states])).T),
        members=jnp.asarray(members.transpose(0, 2, 1)),
        edges=jnp.asarray(ties),
        degrees=jnp.asarray(matrices.sum(axis=2, dtype=np.int32).T),
    )


def states_of(society):
    """The reference's states, one for each society of many, after checking what must hold of the arrays."""
    matrices, cooperates, kinds = checked(society)
    return [
        ref.State(tuple(frozenset(np.flatnonzero(row).tolist()) for row in matrix), tuple(c), tuple(k))
        for matrix, c, k in zip(matrices, cooperates.tolist(), kinds.tolist(), strict=True)
    ]


def setting_of(games):
    """(params, recommenders, competition) of the package for a list of games, lanes last."""

    def leaf(name):
        return jnp.asarray([getattr(game, name) for game in games], jnp.float32)

    params = RewiringParams(
        influence=leaf("influence"),
        beta=leaf("beta"),
        temptation=leaf("temptation"),
        sucker=leaf("sucker"),
        timescale=leaf("timescale"),
    )
    params = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, len(games)), params)
    each = [heuristics.stack_kinds([heuristics.heuristic(*kind) for kind in game.heuristics]) for game in games]
    stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves], axis=-1), *each)
    return params, jax.tree.map(jnp.asarray, stacked), Competition(None, leaf("second"), leaf("second_beta"))


@partial(jax.jit, static_argnames="preset")
def advance(preset, society, words, params, recommenders, competition):
    """(the last society, (all of them, the events)) for words [steps, 3, *lanes]."""

    def step(society, words):
        society, events = dynamics.time_step(society, words, RULES[preset], params, recommenders, competition)
        return society, (society, events)

    return jax.lax.scan(step, society, words)


def random_words(rng, *shape):
    return rng.integers(0, 2**32, shape, dtype=np.uint32)


def random_state(rng, users, ties, num_kinds=1, cooperators=0.5):
    """A state with that many random ties; some users may have none."""
    pairs = list(itertools.combinations(range(users), 2))
    chosen = [pairs[i] for i in rng.choice(len(pairs), ties, replace=False)]
    return ref.society(chosen, rng.random(users) < cooperators, rng.integers(0, num_kinds, users).tolist())


def games_for(preset, rng):
    """Every heuristic alone and against others, exclusive or not, with parameters that make every rule matter."""
    trios = [((name, False),) * 3 for name in NAMES]
    # The local heuristic is never exclusive.
    trios += [tuple((n, n != "local") for n in rng.choice(NAMES, 3, replace=False).tolist()) for _ in range(12)]
    games = []
    for i, trio in enumerate(trios):
        games.append(
            ref.Game(
                preset,
                beta=float(np.float32(rng.choice([0.005, 0.1, 1.0]))),
                temptation=float(np.float32(rng.choice([2.0, 1.3, 0.5]))),
                sucker=float(np.float32(rng.choice([-1.0, -0.4, 0.6]))),
                timescale=float(rng.choice([0.5, 2.0, 10.0, np.inf]) if i % 3 else 2.0),
                influence=float(np.float32(rng.choice([1.0, 0.6, 0.1]))),
                second=float(rng.choice([0.0, 0.25, 1.0])),
                second_beta=0.5,
                heuristics=trio,
            )
        )
    return games
