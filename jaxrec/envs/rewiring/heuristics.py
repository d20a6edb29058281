"""The fixed recommenders of the paper as data: which users are accepted, and which of those are recommended.

Source: Carvalho, "Modelling the Recommender Alignment Problem", section 3.3 and Table 3; details from the author's
published simulator. A heuristic is a few numbers, so that a sweep over recommenders is one `vmap`.
"""

from collections.abc import Iterable, Sequence
from typing import no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.typing import ArrayLike

from jaxrec import bitset, checks
from jaxrec.envs.rewiring.graph.society import Society
from jaxrec.envs.rewiring.meetings import User
from jaxrec.fusion import materialised


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Heuristic(struct.PyTreeNode):
    """Recommends uniformly among the eligible users that it accepts.

    The user itself and its neighbours are not eligible; without an accepted user the tie stays.

    Attributes:
        accepts: bool[2, 2], whether a user with strategy i (0 defects, 1 cooperates) is recommended one with j.
        local: bool[], accepts only neighbours of the partner that is left.
        degree: int32[], -1 accepts only users with the fewest neighbours, 1 with the most, 0 any.
        exclusive: bool[], accepts, in competition, only users of the same recommender.
    """

    accepts: Sequence[Sequence[bool]] | np.ndarray | Array
    local: bool | np.ndarray | Array = False
    degree: int | np.ndarray | Array = 0
    exclusive: bool | np.ndarray | Array = False


ANY = ((True, True), (True, True))
COOPERATORS = ((False, True), (False, True))
DEFECTORS = ((True, False), (True, False))
ALIKE = ((True, False), (False, True))
NOBODY = ((False, False), (False, False))

HEURISTICS: dict[str, Heuristic] = {
    "null": Heuristic(NOBODY),
    "local": Heuristic(ANY, local=True),
    "good": Heuristic(COOPERATORS),
    "bad": Heuristic(DEFECTORS),
    "random": Heuristic(ANY),
    "fair": Heuristic(ALIKE),
    "low-defectors": Heuristic(DEFECTORS, degree=-1),
    "low": Heuristic(ANY, degree=-1),
    "low-cooperators": Heuristic(COOPERATORS, degree=-1),
    "high-defectors": Heuristic(DEFECTORS, degree=1),
    "high": Heuristic(ANY, degree=1),
    "high-cooperators": Heuristic(COOPERATORS, degree=1),
}
"""By name. "local" is the paper's NO_MED; "bad", "random" and "good" are the middle column of its 3 x 3 grid."""

ELEVEN = tuple(name for name in HEURISTICS if name != "fair")
"""The eleven policies of the paper's Figures 13 and 14: null, local and the 3 x 3 grid of Table 3."""


def heuristic(name: str, exclusive: bool = False) -> Heuristic:
    """Looks up the heuristic called `name` in `HEURISTICS`.

    Raises:
        InputError: for an unknown name (the message gives the nearest).
    """
    return checks.lookup(HEURISTICS, name, "recommender").replace(exclusive=exclusive)


def stack_kinds(heuristics: Iterable[Heuristic]) -> Heuristic:
    """Stacks heuristics along a leading axis of kinds."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *map(_arrays, heuristics))


def _arrays(one: Heuristic) -> Heuristic:
    return Heuristic(
        accepts=np.asarray(one.accepts, bool),
        local=np.asarray(one.local, bool),
        degree=np.asarray(one.degree, np.int32),
        exclusive=np.asarray(one.exclusive, bool),
    )


def candidates(
    society: Society, user: User, partner: User, kind: Array, recommenders: Heuristic, follows: Array, unit: Array
) -> Array:
    """Finds the users to whom `user` may be tied in place of `partner`.

    Args:
        society: one, or many.
        user: the focused user.
        partner: the neighbour that it leaves.
        kind: int32[*batch], the index of the user's recommender.
        recommenders: stacked along a leading axis of kinds.
        follows: bool[*batch], the user follows the recommendation; otherwise the local heuristic chooses.
        unit: 1, unknown to the compiler, for `fusion.materialised`.

    Returns:
        uint32[words, *batch], the set of candidates.
    """
    one = jax.tree.map(lambda leaf: _of_kind(leaf, kind), recommenders)
    accepts = jnp.where(user.cooperates, one.accepts[1], one.accepts[0]) | ~follows
    # Computed once for each society, as four bits of one number, then read for every word of the sets.
    flags = [accepts[0], accepts[1], one.local | ~follows, one.exclusive & follows]
    decided = jnp.asarray(sum(flag.astype(jnp.int32) << place for place, flag in enumerate(flags)))
    decided = materialised(decided, unit)
    defectors, cooperators, near, own_only = (decided & (1 << place) != 0 for place in range(4))
    pool = jnp.where(cooperators, society.cooperators, 0) | jnp.where(defectors, ~society.cooperators, 0)
    pool = pool & ~user.ties & ~bitset.single(user.index, pool.shape[0])
    pool = pool & jnp.where(near, partner.ties, _everyone(society))
    if society.members.shape[0]:
        own = jax.tree.map(lambda leaf: _of_kind(leaf, kind), society.members)
        pool = jnp.where(own_only, pool & own, pool)
    if society.degrees.shape[0]:
        pool = jnp.where((one.degree != 0) & follows, _extreme(pool, society.degrees * one.degree), pool)
    return pool


def _extreme(pool: Array, score: Array) -> Array:
    """Keeps the members of `pool` with the highest score (int32[N, *batch])."""
    members = bitset.unpack(pool, score.shape[0])
    best = jnp.max(jnp.where(members, score, jnp.iinfo(jnp.int32).min), axis=0)
    return bitset.pack(members & (score == best))


def _everyone(society: Society) -> Array:
    """uint32[words, *1]: the set of all users, without bits beyond the last one."""
    users = bitset.everyone(society.num_users)
    return users.reshape(-1, *[1] * (society.cooperators.ndim - 1))


def _of_kind(leaf: Array | np.ndarray, kind: Array) -> ArrayLike:
    """Selects the entry of `leaf` (leading axis of kinds) for the kind of each society."""
    chosen = leaf[0]
    for index in range(1, leaf.shape[0]):
        chosen = jnp.where(kind == index, leaf[index], chosen)
    return chosen
