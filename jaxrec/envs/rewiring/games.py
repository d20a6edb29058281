"""The games that neighbours play: one of two players each, or a public good of many.

Sources: Carvalho, "Modelling the Recommender Alignment Problem", section 3.1 (two players) and section 8, which asks
for public goods; Santos, Santos & Pacheco 2008, "Social diversity promotes the emergence of cooperation in public
goods games" (Nature 454), for those.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jaxrec import bitset, checks
from jaxrec.envs.rewiring.graph.society import Society, neighbours, unstack

DILEMMA = {"temptation": 2.0, "sucker": -1.0}
"""T and S by default: the hardest prisoner's dilemma."""
PAYOFFS = {"temptation": (0.0, 2.0), "sucker": (-1.0, 1.0)}
"""Their ranges in the paper."""
COSTS = ("game", "player")
LEAST_FACTOR = 1e-6
EXACT = jax.lax.Precision.HIGHEST


@dataclass(frozen=True)
class Pairwise:
    """Neighbours play in pairs: R = 1, P = 0, T and S of `RewiringParams`.

    T > 1 and S < 0 is the prisoner's dilemma, T <= 1 and S < 0 the stag hunt, T > 1 and S >= 0 the snowdrift game, and
    T <= 1 and S >= 0 harmony.
    """


@dataclass(frozen=True)
class PublicGoods:
    """Every user starts a group with its neighbours, and plays in its own group and in those of its neighbours.

    In each group cooperators contribute, the sum is multiplied by `factor`, and all members share it alike. T and S are
    not read.

    Attributes:
        factor: above 0; where all have the mean degree k, cooperating pays for oneself above k + 1.
        cost: what a cooperator contributes: 1 in each "game", so that users with many neighbours give more; or 1 of
            each "player", in equal parts to all of its groups.
    """

    factor: float
    cost: Literal["game", "player"] = "game"

    def __post_init__(self) -> None:
        checks.within("game.factor", self.factor, LEAST_FACTOR, checks.LARGEST)
        checks.lookup(dict.fromkeys(COSTS), self.cost, "game.cost")


Game = Pairwise | PublicGoods
PAIRWISE = Pairwise()


def check_game(game: object) -> None:
    """Raises InputError for anything but a game."""
    if not isinstance(game, Game):
        raise checks.InputError(f"game must be Pairwise() or PublicGoods(factor), got {checks.brief(game)}")


def check_payoffs(game: Game, temptation: ArrayLike, sucker: ArrayLike, any_payoffs: bool) -> None:
    """Checks T and S.

    Args:
        game: public goods read neither, and refuse other values than the default.
        temptation: T.
        sucker: S.
        any_payoffs: whether they may be outside the ranges of the paper.

    Raises:
        InputError: for values out of range, and values that are not read.
    """
    for name, given in (("temptation", temptation), ("sucker", sucker)):
        value = checks.concrete(name, given)
        if isinstance(game, PublicGoods):
            if value is not None and (value != DILEMMA[name]).any():
                raise checks.InputError(f"{name} is not read by public goods, got {checks.brief(given)}")
        elif not any_payoffs:
            try:
                checks.within(name, given, *PAYOFFS[name])
            except checks.InputError as error:
                raise checks.InputError(f"{error}; any_payoffs=True allows it") from None


def payoff_of_goods(society: Society, user: Int[Array, "*batch"], game: PublicGoods) -> Float[Array, "*batch"]:
    """Computes the payoff of one user of each society in all of its groups, less what it contributes.

    Args:
        society: one, or many.
        user: whose.
        game: the game.

    Returns:
        The sum over groups.
    """
    if user.ndim:
        return jax.vmap(lambda one, user: payoff_of_goods(one, user, game))(unstack(society), user)
    each, given = _shares(society, game)
    words = society.adjacency.shape[-1]
    groups = bitset.unpack(neighbours(society.adjacency, user) | bitset.single(user, words), society.num_users)
    return jnp.where(groups, each, 0).sum() - given[user]


def payoffs_of_goods(society: Society, game: PublicGoods) -> Float[Array, " users"]:
    """Computes the payoff of every user of one society, as `payoff_of_goods` does of one."""
    each, given = _shares(society, game)
    return jnp.matmul(_closed(society), each, precision=EXACT) - given


def _shares(society: Society, game: PublicGoods) -> tuple[Float[Array, " users"], Float[Array, " users"]]:
    """What each member of the group of each user gets in it; and what each user contributes in all."""
    groups = bitset.sizes(society.adjacency) + 1  # of each user, as many as its group has members
    cooperates = bitset.unpack(society.cooperators, society.num_users)
    if game.cost == "game":
        given = jnp.where(cooperates, groups, 0).astype(jnp.float32)
        contributed = (bitset.sizes(society.adjacency & society.cooperators) + cooperates).astype(jnp.float32)
    else:
        given = cooperates.astype(jnp.float32)
        contributed = jnp.matmul(_closed(society), given / groups, precision=EXACT)
    return game.factor * contributed / groups, given


def _closed(society: Society) -> Float[Array, "users users"]:
    """1 for members of each user's group, 0 for others."""
    ties = bitset.unpack(society.adjacency.T, society.num_users).T
    return (ties | jnp.eye(society.num_users, dtype=bool)).astype(jnp.float32)
