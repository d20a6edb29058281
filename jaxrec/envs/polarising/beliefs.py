"""The best that a recommender can do that may tamper and does not know the user: dynamic programming over beliefs.

The user is one of the profiles of the population. At a factor known beforehand theta follows from the profile and the
numbers of recommendations from the left and from the right, so that those numbers and the belief over profiles say all
that there is to know. (The six counts do not: a click tells more, the more the user has changed.)

How tight it is for the paper's population at horizon 30, in clicks an episode. At the mean factor the optimum lies
between 11.26 and 11.44: `BeliefOptimum.value`, never below it, is 11.79, 11.61, 11.54 and 11.43 at resolutions 4, 6, 8
and 12, and the policy of resolution 8 earns 11.27 [11.26, 11.29]. In the society, where factors are random and not
seen, the same policy earns 11.18 [11.17, 11.20]; that bounds the optimum there from below, and `clairvoyant_bound` of
resolution 8, 11.67 [11.65, 11.69], from above.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int

from jaxrec import checks
from jaxrec.envs.polarising import simplex
from jaxrec.envs.polarising.dynamics import LEFT, RIGHT, polarise
from jaxrec.envs.polarising.env import PolarisingParams, PolarisingUsers
from jaxrec.policy import evenly, one_of
from jaxrec.utilities import Leaf

RESOLUTION = 8  # of beliefs: an eighth
CHUNK = 16  # numbers of recommendations whose values are computed at once
TOLERANCE = 1e-4  # clicks; less than that is rounding, which must not choose between equal sources


class Beliefs(struct.PyTreeNode):
    """What a `BeliefPolicy` carries.

    Attributes:
        belief: float[profiles], the posterior at the observation before.
        obs: int32[6], that observation.
    """

    belief: Leaf
    obs: Leaf


class BeliefPolicy(struct.PyTreeNode):
    """Believes in profiles by Bayes' rule, and recommends what is best by the values of beliefs.

    Attributes:
        values: float[nodes, points], the clicks still to come; see `_node` and `simplex.Grid`.
        ranks: of the grid.
        thetas: float[horizon, horizon, profiles, 3], theta after so many recommendations from the left and the right.
        worth: float[horizon, horizon, profiles, 3], what is paid for each source then.
        horizon: of the episode.
    """

    values: Leaf
    ranks: Leaf
    thetas: Leaf
    worth: Leaf
    horizon: int = struct.field(pytree_node=False)

    def init(self, key: Array) -> Beliefs:
        """Gives the uniform prior."""
        profiles = self.thetas.shape[-2]
        return Beliefs(jnp.full(profiles, 1 / profiles), jnp.zeros(6, jnp.int32))

    def act(self, carry: Beliefs, obs: Int[Array, "6"], key: Array) -> tuple[Array, Beliefs]:
        """Recommends one of the best sources, each as likely.

        Args:
            carry: of the step before.
            obs: recommendations and clicks so far.
            key: a typed key.

        Returns:
            (int32[] source, carry).
        """
        best, carry = self._best(carry, obs)
        return one_of(best, jax.random.uniform(key)), carry

    def probabilities(self, carry: Beliefs, obs: Int[Array, "6"]) -> tuple[Array, Beliefs]:
        """Gives float[3], the probability of each source for one observation, and the carry after it."""
        best, carry = self._best(carry, obs)
        return evenly(best), carry

    def action_values(self, belief: Float[Array, " profiles"], recommended: Int[Array, "3"]) -> Float[Array, "3"]:
        """Gives the clicks to come after each source, followed by the best ones.

        Args:
            belief: over profiles.
            recommended: from each source so far.
        """
        time, left, right = recommended.sum(), recommended[LEFT], recommended[RIGHT]
        after = [_node(time + 1, left + (a == LEFT), right + (a == RIGHT)) for a in range(3)]
        following = self.values[jnp.stack(after)] * (time + 1 < self.horizon)
        return _action_values(self.ranks, self.thetas[left, right], self.worth[left, right], following, belief)

    def _best(self, carry: Beliefs, obs: Array) -> tuple[Bool[Array, "3"], Beliefs]:
        """Learns from the last step; which sources are best now."""
        shown, click = (obs - carry.obs)[:3], (obs - carry.obs)[3:].sum()
        theta = self.thetas[carry.obs[LEFT], carry.obs[RIGHT]] @ shown.astype(float)
        likelihood = jnp.where(shown.sum() == 0, 1.0, jnp.where(click > 0, theta, 1 - theta))
        belief = carry.belief * likelihood
        total = belief.sum()
        belief = jnp.where(total > 0, belief / jnp.where(total > 0, total, 1), 1 / len(belief))
        values = self.action_values(belief, obs[:3])
        return values >= values.max() - TOLERANCE, Beliefs(belief, obs)


class BeliefOptimum(NamedTuple):
    """A solution over beliefs.

    Attributes:
        policy: the recommender.
        value: clicks of an episode, or what is paid in place of them, with factors known beforehand; not below what
            any recommender earns of them.
    """

    policy: BeliefPolicy
    value: float


def belief_optimal(
    env: PolarisingUsers,
    params: PolarisingParams,
    resolution: int = RESOLUTION,
    factors: Float[np.ndarray, "2 horizon"] | None = None,
    paid_for: Literal["clicks", "initial preferences"] = "clicks",
) -> BeliefOptimum:
    """Computes a recommender that may tamper, and knows the population but not the user.

    Backward induction over time, the numbers of recommendations from either wing, and beliefs on a grid, between which
    values are interpolated (Lovejoy 1991). A few seconds at horizon 30. With a single profile it is exact.

    Args:
        env: gives the horizon.
        params: gives the population, the polarisation factor, the ceiling and `influence`.
        resolution: of the grid of beliefs, at least 1.
        factors: the factor of each successive recommendation from the left (first row) and from the right, at least 1
            each; the mean one if None.
        paid_for: clicks, or "initial preferences": the click probability that the user came with for the source
            shown. So paid, users are worth changing only in order to know them: the epistemic part of tampering.

    Returns:
        The recommender, and what it would earn if nothing were lost between beliefs.

    Raises:
        InputError: for another payment, a grid too fine for the memory, or a horizon that has no table of its
            observations.
    """
    if env.num_observations is None:
        raise checks.InputError(f"horizon must be within that of num_observations, got {env.horizon}")
    if factors is None:
        factors = np.full((2, env.horizon), (float(params.factor_low) + float(params.factor_high)) / 2)
    grid = simplex.grid(len(np.asarray(params.population)), resolution)
    thetas = _thetas(env.horizon, params, factors)
    paid = {"clicks": thetas, "initial preferences": np.broadcast_to(thetas[0, 0], thetas.shape)}
    worth = checks.lookup(paid, paid_for, "paid_for")
    layers = [np.zeros(((env.horizon + 1) * (env.horizon + 2) // 2, len(grid.points)), np.float32)]
    for time in reversed(range(env.horizon)):
        layers.append(_layer(grid, thetas, worth, layers[-1], time))
    values = jnp.asarray(np.concatenate(layers[:0:-1]))
    policy = BeliefPolicy(values, jnp.asarray(grid.ranks), jnp.asarray(thetas), jnp.asarray(worth), env.horizon)
    first = policy.action_values(policy.init(jax.random.key(0)).belief, jnp.zeros(3, jnp.int32))
    return BeliefOptimum(policy, float(first.max()))


def clairvoyant_bound(
    env: PolarisingUsers, params: PolarisingParams, key: Array, draws: int = 8, resolution: int = RESOLUTION
) -> Float[np.ndarray, " draws"]:
    """Samples what a recommender could earn at most that is told all factors beforehand, though not the user.

    A factor is drawn whenever a user is polarised and is never read again; so that it may as well have been drawn for
    the n-th recommendation from that wing before the episode. To be told is no loss: the mean bounds the expected
    clicks of any recommender that does not know the user from above. Factors are drawn with their mirror images.

    Args:
        env: gives the horizon, and whether a factor is drawn at each step or once.
        params: see `belief_optimal`.
        key: a typed key.
        draws: pairs of episodes' factors, at least 1; each takes twice as long as `belief_optimal`.
        resolution: of the grid of beliefs.

    Returns:
        A bound for each pair, for `jaxrec.statistics.estimate`.
    """
    checks.positive("draws", draws)
    shape = (draws, 2, env.horizon) if env.factor_per == "step" else (draws, 1, 1)
    low, high = float(params.factor_low), float(params.factor_high)
    drawn = low + (high - low) * np.asarray(jax.random.uniform(key, shape), float)
    pairs = np.broadcast_to(np.stack([drawn, low + high - drawn], axis=1), (draws, 2, 2, env.horizon))
    bounds = [[belief_optimal(env, params, resolution, factors).value for factors in pair] for pair in pairs]
    return np.array(bounds).mean(axis=1)


def _thetas(horizon: int, params: PolarisingParams, factors: np.ndarray) -> np.ndarray:
    """float32[horizon, horizon, profiles, 3]: theta after so many recommendations from the left and the right."""
    grown = np.cumprod(1 + float(params.influence) * (factors[:, : horizon - 1] - 1), axis=1)
    from_left, from_right = jnp.asarray(np.pad(grown, ((0, 0), (1, 0)), constant_values=1.0), float)

    def after(theta: Array, left: Array, right: Array) -> Array:
        return polarise(polarise(theta, RIGHT, right, 1.0, params.ceiling), LEFT, left, 1.0, params.ceiling)

    of_left = jax.vmap(after, in_axes=(0, None, None))
    of_right = jax.vmap(of_left, in_axes=(None, None, 0))
    population = jnp.asarray(params.population, float)
    return np.asarray(jax.vmap(of_right, in_axes=(None, 0, None))(population, from_left, from_right))


def _layer(grid: simplex.Grid, thetas: np.ndarray, worth: np.ndarray, following: np.ndarray, time: int) -> np.ndarray:
    """float32[nodes, points]: values at one time, from those of the next."""
    left, right = np.array([(one, other) for one in range(time + 1) for other in range(time + 1 - one)]).T
    after = np.stack([_place(time + 1, left + (a == LEFT), right + (a == RIGHT)) for a in range(3)], axis=1)
    found = []
    for start in range(0, len(left), CHUNK):
        some = np.minimum(np.arange(start, start + CHUNK), len(left) - 1)  # so that one program serves all
        here = left[some], right[some]
        found.append(_values(grid.ranks, grid.points, thetas[here], worth[here], following[after[some]]))
    return np.concatenate(found)[: len(left)]


@jax.jit
def _values(ranks: Array, points: Array, thetas: Array, worth: Array, following: Array) -> Array:
    """float[nodes, points]: the clicks to come at each point of the grid.

    Args:
        ranks: of the grid.
        points: float[points, profiles], of the grid.
        thetas: float[nodes, profiles, 3].
        worth: float[nodes, profiles, 3], what is paid.
        following: float[nodes, 3, points], the values after each source.
    """
    of_points = jax.vmap(partial(_action_values, ranks), in_axes=(None, None, None, 0))
    return jax.vmap(of_points, in_axes=(0, 0, 0, None))(thetas, worth, following, points).max(axis=-1)


def _action_values(ranks: Array, theta: Array, worth: Array, following: Array, belief: Array) -> Array:
    """float[3]: the clicks to come after each source.

    Args:
        ranks: of the grid.
        theta: float[profiles, 3], now.
        worth: float[profiles, 3], what is paid now.
        following: float[3, points], the values after each source.
        belief: float[profiles].
    """
    hit, miss = belief * theta.T, belief * (1 - theta.T)
    future = jax.vmap(partial(simplex.interpolate, ranks))
    return (belief * worth.T).sum(axis=1) + future(following, hit) + future(following, miss)


def _node(time: Array, left: Array, right: Array) -> Array:
    """The row of `BeliefPolicy.values` for a time and so many recommendations from the left and the right."""
    return time * (time + 1) * (time + 2) // 6 + _place(time, left, right)


def _place(time: Array | int, left: Array | np.ndarray, right: Array | np.ndarray) -> Array | np.ndarray:
    """The same among the nodes of that time, `left + right <= time`."""
    return left * (time + 1) - left * (left - 1) // 2 + right
