"""Plays the time-steps of a short wait together: ties stand still until a recommendation is answered.

So random words and ties alone decide who meets whom, for all time-steps at once. Only the strategies of those who meet
change from one time-step to the next, a few numbers: XLA fuses that arithmetic, where each time-step would launch
kernels of its own.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int, UInt32

from jaxrec import bitset
from jaxrec.envs.rewiring.dynamics import copies_after
from jaxrec.envs.rewiring.graph.society import Society, contains
from jaxrec.envs.rewiring.meetings import GameValues, Meeting, User, decided, fitness_of, meet, payoff_of_pairs, wins
from jaxrec.envs.rewiring.rules import Rules


def together(
    society: Society,
    last: Meeting,
    clock: Int[Array, ""],
    words: UInt32[Array, "steps words"],
    rules: Rules,
    params: GameValues,
) -> tuple[Society, Meeting, Int[Array, ""], Int[Array, ""]]:
    """Runs one society, of a game of two, until the next request, its end, or for all time-steps.

    Args:
        society: one, of users who share a recommender.
        last: the last meeting; nothing happens if it is a request.
        clock: int32[], time-steps so far.
        words: uint32[steps, WORDS_PER_STEP], random bits.
        rules: which game.
        params: `RewiringParams`.

    Returns:
        (society, the last meeting, clock, int32[] requests on which nobody acted).
    """
    meetings = jax.vmap(lambda each: meet(society, each, rules, params))(words)
    sides = [_Participant(society, user, meetings.x.index) for user in (meetings.x, meetings.y)]
    changes: list[Array] = []  # of the strategy of each x: 1 to a cooperator, -1 to a defector, or 0
    requests = jnp.zeros((), jnp.int32)
    cooperators = bitset.count(society.cooperators)
    for step in range(len(words)):
        fixated = (cooperators == 0) | (cooperators == society.num_users)
        waits = ~last.acts & ~fixated & (clock < params.time_limit)
        x, y = (side.at(step, changes, rules, params) for side in sides)
        met = jax.tree.map(lambda leaf, step=step: leaf[step], meetings)
        won = wins(x, y, met.structural, met.chance, rules, params, params.beta)
        adopting = jnp.zeros_like(met.structural)  # users share a recommender
        met = decided(rules, x, y, won, adopting, met.structural, met.tie, met.chance, met.choice, met.coin)
        copies = met.copies
        if rules.single_clock:
            copies = ~met.acts & copies_after(met, x.fitness, y.fitness, params)
        change = jnp.where(waits & copies, y.cooperates.astype(jnp.int32) - x.cooperates, 0)
        changes, cooperators = [*changes, change], cooperators + change
        requests, clock = requests + (waits & met.request & ~met.acts), clock + waits
        last = jax.tree.map(lambda new, old, waits=waits: jnp.where(waits, new, old), met, last)
    flipped = society.cooperators
    for step, change in enumerate(changes):
        bit = bitset.single(meetings.x.index[step], flipped.shape[0])
        flipped = flipped ^ jnp.where(change != 0, bit, jnp.uint32(0))
    return society.replace(cooperators=flipped), last, clock, requests


class _Participant:
    """Holds x of every meeting, or y, before the first, and which changes of strategy alter its own or its fitness."""

    def __init__(self, society: Society, users: User, changing: Int[Array, " steps"]) -> None:
        self.users = users
        self.cooperating = jax.vmap(lambda ties: bitset.count(ties & society.cooperators))(users.ties)
        knows = jax.vmap(lambda ties: jax.vmap(lambda user: contains(ties, user))(changing))
        self.knows, self.is_same = knows(users.ties), users.index[:, None] == changing  # bool[steps, steps] each

    def at(self, step: int, changes: list[Array], rules: Rules, params: GameValues) -> User:
        """Gives the user of a meeting after the changes before it."""
        user = jax.tree.map(lambda leaf: leaf[step], self.users)
        own, cooperating = user.cooperates.astype(jnp.int32), self.cooperating[step]
        for before, change in enumerate(changes):  # scalars: of arrays each sum would be a kernel
            own = own + self.is_same[step, before] * change
            cooperating = cooperating + self.knows[step, before] * change
        payoffs = payoff_of_pairs(own != 0, cooperating, user.degree, params)
        return user.replace(cooperates=own != 0, fitness=fitness_of(payoffs, user.degree, rules))
