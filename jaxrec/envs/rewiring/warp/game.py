"""The meetings of one society, its ties in memory and its cooperators in registers: `meetings` and `dynamics` again.

Draws, decisions and their order are theirs, given the same words; floats may round otherwise. The game is pairwise.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.experimental.pallas import triton
from jaxtyping import Bool, Float, UInt32

from jaxrec.envs.rewiring.dynamics import copies_after
from jaxrec.envs.rewiring.graph import draws
from jaxrec.envs.rewiring.heuristics import Heuristic
from jaxrec.envs.rewiring.meetings import (
    Meeting,
    User,
    actor,
    decided,
    event,
    fitness_of,
    other,
    payoff,
    payoff_of_pairs,
    win,
)
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.envs.rewiring.warp import sets

Set = UInt32[Array, " words"]
VALUES = ("influence", "beta", "temptation", "sucker", "timescale")
"""Every kernel reads these fields of `Values`, which it is given in this order."""


@dataclass
class Values:
    """Run-time values: what a time-step reads of `RewiringParams`."""

    influence: float | Array
    beta: float | Array
    temptation: float | Array
    sucker: float | Array
    timescale: float | Array
    time_limit: int | Array = 0  # of `simulate` not read


@dataclass
class Game:
    """One society.

    Attributes:
        rules: of a pairwise game.
        users: their number.
        params: run-time values.
        adjacency: memory of uint32[users, words].
        edges: memory of int32[ties, 2], or None.
        interpreted: whether a CPU plays, one after the other.
    """

    rules: Rules
    users: int
    params: Values
    adjacency: Any
    edges: Any
    interpreted: bool

    def user_at(self, index: Array, cooperators: Set) -> User:
        """`meetings.user_at`."""
        ties = self.adjacency[index, :]
        degree, cooperating = sets.count(ties), sets.count(ties & cooperators)
        cooperates = sets.has(cooperators, index)
        payoffs = payoff_of_pairs(cooperates, cooperating, degree, self.params)
        return User(index, ties, degree, cooperates, fitness_of(payoffs, degree, self.rules))

    def meet(self, words: tuple[Array, Array, Array], cooperators: Set) -> Meeting:
        """`meetings.meet`, without competition."""
        rules, params, chance = self.rules, self.params, draws.uniform(words[1])
        adopting, structural = chance < 0, chance >= 0  # false and true: Triton takes no constants for them
        if not rules.single_clock:
            adopting, structural, chance = event(chance, rules, params, None)
        index, left = draws.choose(words[0], self.users - rules.unfocused)
        tie, ends, spare = None, None, words[0]
        if rules.pair == "edge":
            tie, spare = draws.choose(words[0], self.edges.shape[0])
            turned = (spare >> 31).astype(jnp.int32)
            ends, spare = [self.edges[tie, turned], self.edges[tie, 1 - turned]], spare << 1
            index = jnp.where(structural, ends[0], index)
        x = self.user_at(index, cooperators)
        rank, left = draws.choose(left, x.degree)
        partner = sets.select(x.ties, rank)
        if ends is not None:
            partner, left = jnp.where(structural, ends[1], partner), jnp.where(structural, spare, left)
        y = self.user_at(jnp.where(x.degree == 0, x.index, partner), cooperators)
        won = x.index >= 0  # true
        if rules.gate != "none":
            won = chance < win(y.fitness - x.fitness, structural, rules, params.beta)
        return decided(rules, x, y, won, adopting, structural, tie, chance, words[2], left)

    def rewire(self, met: Meeting, new: Array, eligible: Bool[Array, ""]) -> Bool[Array, ""]:
        """`dynamics.rewire`, in memory, where three rows change as wholes; says whether the tie moved."""
        user, old = actor(met), other(met)
        moved = met.acts & eligible & (old.degree > 1)
        new, size = jnp.where(moved, new, user.index), user.ties.shape[0]
        mine = sets.single(user.index, size)
        rows = (
            (user.index, (user.ties & ~sets.single(old.index, size)) | sets.single(new, size)),
            (old.index, old.ties & ~mine),
            (new, self.adjacency[new, :] | mine),
        )
        self._wait_for_all()  # to have read what one will write
        for index, ties in rows:
            triton.store(self.adjacency.at[index, :], ties, mask=jnp.broadcast_to(moved, (size,)))
        if met.tie is not None:
            for place, end in enumerate((user.index, new)):
                self.edges[met.tie, place] = jnp.where(moved, end, self.edges[met.tie, place])
        self._wait_for_all()  # to have written what others will read
        return moved

    def imitated(self, met: Meeting, cooperators: Set) -> Set:
        """The cooperators after `dynamics.imitate`."""
        return sets.copied(cooperators, met.x.index, met.y.cooperates, met.copies)

    def imitated_after(self, met: Meeting, new: Array, moved: Bool[Array, ""], cooperators: Set) -> Set:
        """The cooperators after `dynamics.imitate_after`, the rule of `learning`."""
        x, y = met.x, met.y
        x_fitness, y_fitness = self._fitness_after(met, new, moved, cooperators)
        return sets.copied(cooperators, x.index, y.cooperates, copies_after(met, x_fitness, y_fitness, self.params))

    def _wait_for_all(self) -> None:
        """Lets the threads of the warp wait for each other."""
        if not self.interpreted:
            triton.debug_barrier()

    def _fitness_after(
        self, met: Meeting, new: Array, moved: Bool[Array, ""], cooperators: Set
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        x, y = met.x, met.y
        if not self.rules.adds_up_pairs:
            return self.user_at(x.index, cooperators).fitness, self.user_at(y.index, cooperators).fitness
        gained = payoff(x.cooperates, sets.has(cooperators, new), self.params)
        lost = payoff(x.cooperates, y.cooperates, self.params)
        theirs = payoff(y.cooperates, x.cooperates, self.params)
        return x.fitness + moved * (gained - lost), y.fitness - moved * theirs


def candidates(game: Game, recommender: Heuristic, met: Meeting, cooperators: Array) -> Array:
    """`heuristics.candidates`, of one recommender that reads no degrees."""
    user, partner, size = actor(met), other(met), cooperators.shape[0]
    follows = draws.uniform(met.coin) < game.params.influence
    accepts = recommender.accepts
    defect, cooperate = (jnp.where(user.cooperates, accepts[1][i], accepts[0][i]) | ~follows for i in range(2))
    pool = jnp.where(cooperate, cooperators, 0) | jnp.where(defect, ~cooperators, 0)
    pool = pool & ~user.ties & ~sets.single(user.index, size)
    return pool & jnp.where(recommender.local | ~follows, partner.ties, sets.everyone(game.users, size))
