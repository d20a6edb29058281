"""The paper's dataset of simulated users, with their preferences kept apart.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", Appendix H.3.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.envs.preference.env import PreferenceShift
from jaxrec.estimation.logs import Logs
from jaxrec.estimation.recording import Trajectories, recorded
from jaxrec.parameters import canonical
from jaxrec.policy import Stateless
from jaxrec.runtime.jit_by_class import jit
from jaxrec.utilities import Leaf

NUM_USERS, NUM_TRAINING = 10_000, 7_500
LOGGING_MEANS = tuple(float(mean) for mean in range(0, 360, 10))
LOGGING_DEVIATIONS = (30.0, 60.0)
LOGGING_POLICIES = ("varied", "mostly-uniform")
_VARIED = len(LOGGING_MEANS) * len(LOGGING_DEVIATIONS)


class Lottery(Stateless):
    """Slates drawn independently at each step.

    Attributes:
        shares: float[slates], the probability of each slate.
    """

    shares: Leaf

    def act(self, carry: PyTree, obs: PyTree, key: Array) -> tuple[Array, PyTree]:
        """Draws a slate.

        Args:
            carry: empty.
            obs: not read.
            key: a typed key, for the draw.

        Returns:
            (int32[] slate, carry).
        """
        return jax.random.categorical(key, jnp.log(self.shares)).astype(jnp.int32), carry

    def probabilities(self, carry: PyTree, obs: PyTree) -> tuple[Array, PyTree]:
        """Gives float[slates], the probability of each, and the empty carry."""
        return self.shares / self.shares.sum(), carry


def logging_env(env: PreferenceShift) -> PreferenceShift:
    """Gives the environment of the same users with the 73 slates of the logs.

    The first 72 are around 0, 10, ..., 350 degrees, with deviations of 30 degrees, then of 60; the last is uniform.
    """
    widths = [deviation for deviation in LOGGING_DEVIATIONS for _ in LOGGING_MEANS]
    return dataclasses.replace(
        env,
        slate_means=LOGGING_MEANS * len(LOGGING_DEVIATIONS) + (0.0,),
        slate_deviations=(*widths, float("inf")),
        slate_items=(),
        observe_as="state",
    )


def generate(
    key: Array, params: PyTree = None, num_users: int = NUM_USERS, env: PreferenceShift | None = None
) -> tuple[Logs, Trajectories]:
    """Simulates the paper's dataset: users of even number see any of 72 slates, the others mostly the uniform one.

    Under "varied" each of the first 72 slates of `logging_env` is shown equally often; under "mostly-uniform" the last
    80 % of the time, else one of those 72. The paper trains on 7 500 of the 10 000 users: `logs.split(NUM_TRAINING)`.

    Args:
        key: a typed key.
        params: of the environment; its defaults if None.
        num_users: trajectories.
        env: the users, and their number of steps; `PreferenceShift()` if None.

    Returns:
        (logs of slates and choices alone, true preferences).

    Raises:
        InputError: for zero users, or parameters out of range.
    """
    checks.positive("num_users", num_users)
    env = logging_env(PreferenceShift() if env is None else env)
    params = env.default_params if params is None else params
    env.check_params(params)
    each = np.full(_VARIED, 1 / _VARIED)
    shares = np.array([[*each, 0.0], [*(0.2 * each), 0.8]], np.float32)
    logs, truth = _generate(env, Lottery(jnp.asarray(shares)), key, num_users, canonical(params))
    return logs.replace(policies=LOGGING_POLICIES), truth


@jit(static_argnames=("env", "num_users"))
def _generate(
    env: PreferenceShift, policies: PyTree, key: Array, num_users: int, params: PyTree
) -> tuple[Logs, Trajectories]:
    """Records users under a stack of policies in turn."""
    num_policies = jax.tree.leaves(policies)[0].shape[0]
    each = -(-num_users // num_policies)
    keys = jax.random.split(key, num_policies)
    both = jax.vmap(lambda policy, key: recorded(env, policy, key, each, params, env.horizon))(policies, keys)
    logs, truth = jax.tree.map(lambda leaf: leaf.swapaxes(0, 1).reshape(-1, *leaf.shape[2:])[:num_users], both)
    logs = Logs(  # rewards and what was observed say what users prefer
        slates=logs.slates,
        choices=logs.choices,
        valid=logs.valid,
        policy=jnp.arange(num_users, dtype=jnp.int32) % num_policies,
        policies=(),
    )
    return logs, truth
