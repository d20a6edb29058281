"""The time-steps of a short wait together: until a recommendation is answered ties stand still.

So who meets whom hangs on random words alone, for all time-steps at once. In turn go only the strategies of those who
meet, a few numbers: arithmetic that XLA fuses, where each time-step would launch kernels of its own.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int, UInt32

from jaxrec import bitset
from jaxrec.envs.rewiring.graph.society import Society, contains
from jaxrec.envs.rewiring.meetings import GameValues, Meeting, User, decided, fitness_of_pairs, meet, wins
from jaxrec.envs.rewiring.rules import Rules


def together(
    society: Society,
    asked: Meeting,
    clock: Int[Array, ""],
    words: UInt32[Array, "steps words"],
    rules: Rules,
    params: GameValues,
) -> tuple[Society, Meeting, Int[Array, ""], Int[Array, ""]]:
    """Runs one society, of a game of two, until the next request, its end, or for all time-steps.

    Args:
        society: one, of users who share a recommender.
        asked: the last meeting; nothing happens if it is a request.
        clock: int32[], time-steps so far.
        words: uint32[steps, WORDS_PER_STEP], random bits.
        rules: which game.
        params: `RewiringParams`.

    Returns:
        (society, the last meeting, clock, int32[] requests that nobody was to answer).
    """
    met = jax.vmap(lambda each: meet(society, each, rules, params))(words)
    sides = [_Side(society, one, met.x.index) for one in (met.x, met.y)]
    changes: list[Array] = []  # of the strategy of each x: 1 to a cooperator, -1, or 0
    requests = jnp.zeros((), jnp.int32)
    cooperators = bitset.count(society.cooperators)
    for step in range(len(words)):
        fixated = (cooperators == 0) | (cooperators == society.num_users)
        goes_on = ~asked.acts & ~fixated & (clock < params.time_limit)
        x, y = (side.at(step, changes, rules, params) for side in sides)
        now = jax.tree.map(lambda leaf, step=step: leaf[step], met)
        won = wins(x, y, now.structural, now.chance, rules, params, params.beta)
        now = decided(rules, x, y, won, now.adopts, now.structural, now.tie, now.chance, now.choice, now.coin)
        copies = now.copies
        if rules.single_clock:  # as `dynamics.imitate_after` without a rewire
            likely = jax.nn.sigmoid(params.beta * (y.fitness - x.fitness))
            copies = ~now.acts & (now.chance < likely) & (x.degree > 0)
        change = jnp.where(goes_on & copies, y.cooperates.astype(jnp.int32) - x.cooperates, 0)
        changes, cooperators = [*changes, change], cooperators + change
        requests, clock = requests + (goes_on & now.request & ~now.acts), clock + goes_on
        asked = jax.tree.map(lambda new, old, goes_on=goes_on: jnp.where(goes_on, new, old), now, asked)
    flipped = society.cooperators
    for step in range(len(words)):
        bit = bitset.single(met.x.index[step], flipped.shape[0])
        flipped = flipped ^ jnp.where(changes[step] != 0, bit, jnp.uint32(0))
    return society.replace(cooperators=flipped), asked, clock, requests


class _Side:
    """x of all meetings, or y, at the start, and what tells of their strategies later."""

    def __init__(self, society: Society, users: User, changing: Int[Array, " steps"]) -> None:
        self.users = users
        self.cooperating = jax.vmap(lambda ties: bitset.count(ties & society.cooperators))(users.ties)
        each = jax.vmap(lambda ties: jax.vmap(lambda user: contains(ties, user))(changing))
        self.knows: Bool[Array, "steps steps"] = each(users.ties)
        self.same: Bool[Array, "steps steps"] = users.index[:, None] == changing

    def at(self, step: int, changes: list[Array], rules: Rules, params: GameValues) -> User:
        """The user of a meeting after the changes before it."""
        user = jax.tree.map(lambda leaf: leaf[step], self.users)
        own, cooperating = user.cooperates.astype(jnp.int32), self.cooperating[step]
        for before, change in enumerate(changes):  # not as arrays, of which each sum is a kernel
            own = own + self.same[step, before] * change
            cooperating = cooperating + self.knows[step, before] * change
        cooperates = own != 0
        fitness = fitness_of_pairs(cooperates, cooperating, user.degree, params, rules)
        return user.replace(cooperates=cooperates, fitness=fitness)
