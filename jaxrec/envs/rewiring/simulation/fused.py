"""Time-steps by one kernel of Pallas for a GPU, which launches once for all of them: a warp plays one society.

XLA launches nine to ten kernels a time-step, 2 to 5 microseconds each, whatever they do. No GPU has timed this one yet;
on a CPU it is interpreted, which is slow and for tests. It covers games of two players and one recommender that does
not read degrees; `society.Society` of `kernel/` and `dynamics.time_step` are the same rules.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import pallas
from jax.experimental.pallas import triton
from jaxtyping import Int, PyTree, UInt32

from jaxrec import bitset, checks
from jaxrec.envs.rewiring.env import RewiringParams
from jaxrec.envs.rewiring.games import PAIRWISE
from jaxrec.envs.rewiring.graph import draws
from jaxrec.envs.rewiring.graph.society import stack, unstack
from jaxrec.envs.rewiring.heuristics import Heuristic
from jaxrec.envs.rewiring.meetings import User, event, leaves, payoff, win
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.envs.rewiring.simulation.lanes import Lanes
from jaxrec.random.xoshiro import following

VALUES = ("influence", "beta", "temptation", "sucker", "timescale")
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
    padding = (1 << (words - 1).bit_length()) - words  # what a warp holds has a power of two of entries
    adjacency = jnp.pad(society.adjacency, ((0, 0), (0, 0), (0, padding)))
    cooperators = jnp.pad(society.cooperators, ((0, 0), (0, padding)))
    counts = jnp.stack([state.opportunities, state.requests, state.rewires], axis=-1)
    changed = [adjacency, cooperators, counts] + ([society.edges] if society.edges.size else [])
    read = [seeds.T, *_tables(setting, lanes)]

    def played(*arrays: Array, interpret: bool) -> Any:
        return pallas.pallas_call(
            partial(_kernel, rules, society.num_users, num_steps, len(read), interpret),
            grid=(lanes,),
            out_shape=[jax.ShapeDtypeStruct(one.shape, one.dtype) for one in changed],
            input_output_aliases={len(read) + place: place for place in range(len(changed))},
            compiler_params=triton.CompilerParams(num_warps=1, num_stages=1),
            interpret=interpret,
        )(*arrays)

    by_platform = {"cpu": partial(played, interpret=True), "default": partial(played, interpret=False)}
    after = jax.lax.platform_dependent(*read, *changed, **by_platform)
    adjacency, cooperators, counts = (after[0][..., :words], after[1][:, :words], after[2])
    edges = after[3] if society.edges.size else society.edges
    return Lanes(stack(society.replace(adjacency=adjacency, cooperators=cooperators, edges=edges)), *counts.T)


def _tables(setting: PyTree, lanes: int) -> tuple[Array, Array]:
    """float32[lanes, 5], `VALUES`, and bool[lanes, 5], the recommender: `accepts` and `local`."""
    values = [getattr(setting.params, name) for name in VALUES]
    one = setting.recommenders
    flags = [*one.accepts[0].reshape(4, -1), one.local[0]]
    spread = [[jnp.broadcast_to(leaf, lanes) for leaf in group] for group in (values, flags)]
    return jnp.stack(spread[0], axis=-1).astype(jnp.float32), jnp.stack(spread[1], axis=-1).astype(jnp.int32)


def _kernel(rules: Rules, users: int, num_steps: int, read: int, interpreted: bool, *refs: Any) -> None:
    """Plays the society of one program of the grid."""
    lane = pallas.program_id(0)
    seeds, values, flags = refs[:read]
    adjacency, cooperators, counts, *edges = refs[read + (len(refs) - read) // 2 :]
    params = RewiringParams(**{name: values[lane, place] for place, name in enumerate(VALUES)})
    accepts = [[flags[lane, 2 * own + theirs] != 0 for theirs in range(2)] for own in range(2)]
    recommender = Heuristic(accepts, flags[lane, 4] != 0)
    game = _Game(rules, users, params, recommender, lane, adjacency, [*edges, None][0], interpreted)
    start = (
        tuple(seeds[lane, word] for word in range(4)),
        cooperators[lane, :],
        tuple(counts[lane, place] for place in range(COUNTS)),
    )
    _, members, counted = jax.lax.fori_loop(0, num_steps, lambda _, carry: game.step(*carry), start)
    cooperators[lane, :] = members
    for place in range(COUNTS):
        counts[lane, place] = counted[place]


class _Game(NamedTuple):
    """One society while it plays: ties in memory, cooperators in registers."""

    rules: Rules
    users: int
    params: RewiringParams
    recommender: Heuristic
    lane: Array
    adjacency: Any
    edges: Any
    interpreted: bool

    def step(self, numbers: Any, cooperators: Array, counts: Any) -> tuple[Any, Array, Any]:
        """One time-step: `dynamics.time_step`, of one society."""
        rules, params, words = self.rules, self.params, []
        for _ in range(3):
            numbers, word = following(*numbers)
            words.append(word)
        chance = draws.uniform(words[1])
        structural = chance >= 0  # true: Triton takes no constant for it
        if not rules.single_clock:
            _, structural, chance = event(chance, rules, params, None)
        index, left = draws.choose(words[0], self.users - rules.unfocused)
        tie, ends, spare = None, None, words[0]
        if rules.pair == "edge":
            tie, spare = draws.choose(words[0], self.edges.shape[1])
            turned = (spare >> 31).astype(jnp.int32)
            ends, spare = [self.edges[self.lane, tie, turned], self.edges[self.lane, tie, 1 - turned]], spare << 1
            index = jnp.where(structural, ends[0], index)
        x = self.user_at(index, cooperators)
        rank, left = draws.choose(left, x.degree)
        partner = _select(x.ties, rank)
        if ends is not None:
            partner, left = jnp.where(structural, ends[1], partner), jnp.where(structural, spare, left)
        alone = x.degree == 0
        y = self.user_at(jnp.where(alone, x.index, partner), cooperators)
        won = True
        if rules.gate != "none":
            won = chance < win(y.fitness - x.fitness, structural, rules, params.beta)
        request, acts = leaves(rules, x, y, jnp.asarray(won))
        request, acts = structural & request & ~alone, structural & acts & ~alone
        if not rules.single_clock:
            cooperators = _copied(cooperators, x.index, y.cooperates, won & ~structural & ~alone)
        user, other = (jax.tree.map(partial(jnp.where, won), *both) for both in ((x, y), (y, x)))
        pool = self.candidates(user, other, cooperators, draws.uniform(left) < params.influence)
        size = _count(pool)
        new = _select(pool, draws.choose(words[2], size)[0])
        moved = acts & (size > 0) & (other.degree > 1)
        self.move(user, other, jnp.where(moved, new, user.index), moved, tie)
        if rules.single_clock:
            x_fitness, y_fitness = self.fitness_after(x, y, new, moved, cooperators)
            copies = (chance < _sigmoid(params.beta * (y_fitness - x_fitness))) & (x.degree > 0)
            cooperators = _copied(cooperators, x.index, y.cooperates, copies)
        happened = (structural, request, moved)
        return (
            numbers,
            cooperators,
            tuple(count + one.astype(jnp.int32) for count, one in zip(counts, happened, strict=True)),
        )

    def user_at(self, index: Array, cooperators: Array) -> User:
        """`meetings.user_at`."""
        ties = self.adjacency[self.lane, index, :]
        degree, cooperating = _count(ties), _count(ties & cooperators)
        cooperates = _has(cooperators, index)
        near = payoff(cooperates, True, self.params), payoff(cooperates, False, self.params)
        fitness = cooperating * near[0] + (degree - cooperating) * near[1]
        if self.rules.fitness == "average":
            fitness = fitness / jnp.maximum(degree, 1)
        return User(index, ties, degree, cooperates, fitness)

    def candidates(self, user: User, partner: User, cooperators: Array, follows: Array) -> Array:
        """`heuristics.candidates`, of one recommender."""
        accepts, local = self.recommender.accepts, self.recommender.local
        defect, cooperate = (jnp.where(user.cooperates, accepts[1][i], accepts[0][i]) | ~follows for i in range(2))
        pool = jnp.where(cooperate, cooperators, 0) | jnp.where(defect, ~cooperators, 0)
        pool = pool & ~user.ties & ~_single(user.index, pool.shape[0])
        return pool & jnp.where(local | ~follows, partner.ties, _everyone(self.users, pool.shape[0]))

    def move(self, user: User, old: User, new: Array, moved: Array, tie: Array | None) -> None:
        """`society.flip_ties`: three rows change, as wholes."""
        size = user.ties.shape[0]
        mine, theirs = _single(user.index, size), _single(old.index, size)
        row = self.adjacency[self.lane, new, :]
        for index, ties in (
            (user.index, (user.ties & ~theirs) | _single(new, size)),
            (old.index, old.ties & ~mine),
            (new, row | mine),
        ):
            where = self.adjacency.at[self.lane, index, :]
            triton.store(where, ties, mask=jnp.broadcast_to(moved, (size,)))
        if tie is not None:
            for place, end in enumerate((user.index, new)):
                kept = self.edges[self.lane, tie, place]
                self.edges[self.lane, tie, place] = jnp.where(moved, end, kept)
        if not self.interpreted:
            triton.debug_barrier()  # what one thread of the warp wrote, others read

    def fitness_after(self, x: User, y: User, new: Array, moved: Array, cooperators: Array) -> tuple[Array, Array]:
        """The fitness of both after the rewire, as `dynamics.imitate_after` has it."""
        if not self.rules.adds_up_pairs:
            return self.user_at(x.index, cooperators).fitness, self.user_at(y.index, cooperators).fitness
        lost = payoff(x.cooperates, y.cooperates, self.params)
        gained = payoff(x.cooperates, _has(cooperators, new), self.params)
        other = payoff(y.cooperates, x.cooperates, self.params)
        return x.fitness + moved * (gained - lost), y.fitness - moved * other


def _copied(cooperators: Array, user: Array, theirs: Array, copies: Array) -> Array:
    mine = _single(user, cooperators.shape[0])
    return jnp.where(copies, jnp.where(theirs, cooperators | mine, cooperators & ~mine), cooperators)


def _single(user: Int[Array, ""], size: int) -> UInt32[Array, " words"]:
    index = jax.lax.broadcasted_iota(jnp.int32, (size,), 0)
    return jnp.where(index == user >> bitset.BITS_SHIFT, bitset.word_of(user), jnp.uint32(0))


def _everyone(users: int, size: int) -> UInt32[Array, " words"]:
    left = jnp.clip(users - bitset.BITS * jax.lax.broadcasted_iota(jnp.int32, (size,), 0), 0, bitset.BITS)
    full = jnp.uint32(0xFFFFFFFF)
    return jnp.where(left == 0, jnp.uint32(0), full >> (bitset.BITS - jnp.maximum(left, 1)).astype(jnp.uint32))


def _has(members: UInt32[Array, " words"], user: Int[Array, ""]) -> Array:
    return jnp.max(members & _single(user, members.shape[0])) != 0


def _population(words: Array) -> Array:
    """int32: the bits set in each word; Triton has no instruction for it that Pallas reaches."""
    words = words - ((words >> 1) & np.uint32(0x55555555))
    words = (words & np.uint32(0x33333333)) + ((words >> 2) & np.uint32(0x33333333))
    words = (words + (words >> 4)) & np.uint32(0x0F0F0F0F)
    return (words * np.uint32(0x01010101) >> 24).astype(jnp.int32)


def _count(members: UInt32[Array, " words"]) -> Array:
    return jnp.sum(_population(members))


def _select(members: UInt32[Array, " words"], rank: Int[Array, ""]) -> Array:
    """`bitset.select`, by sums over all words."""
    sizes = _population(members)
    until = jnp.cumsum(sizes)
    here = (rank >= until - sizes) & (rank < until)
    index = jax.lax.broadcasted_iota(jnp.int32, sizes.shape, 0)
    word = jnp.sum(jnp.where(here, members, jnp.uint32(0)), dtype=jnp.uint32)
    start = bitset.BITS * jnp.sum(jnp.where(here, index, 0))
    rank = rank - jnp.sum(jnp.where(here, until - sizes, 0))
    for width in (16, 8, 4, 2, 1):
        lower = word & np.uint32((1 << width) - 1)
        within = _population(lower)
        beyond = rank >= within
        word, start = jnp.where(beyond, word >> width, lower), start + beyond.astype(jnp.int32) * width
        rank = rank - jnp.where(beyond, within, 0)
    return start


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + jnp.exp(-x))
