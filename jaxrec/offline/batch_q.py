"""Tabular Q-learning from logs alone: optimistic, batch-constrained, or pessimistic."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, PyTree

from jaxrec import checks
from jaxrec.agents import TabularPolicy
from jaxrec.agents.on_policy import Count
from jaxrec.environment import Environment
from jaxrec.estimation.logs import Logs
from jaxrec.offline.transitions import Transitions, check_table, transitions
from jaxrec.utilities import Leaf


class BatchQState(struct.PyTreeNode):
    """A training under way.

    Attributes:
        q: float[num_observations, num_actions], action values.
        allowed: bool[num_observations, num_actions], the actions that the policy may take.
    """

    q: Leaf
    allowed: Leaf


class BatchQ(struct.PyTreeNode):
    """Learns action values from logs, and never acts in the environment.

    Each update is a pass of fitted Q iteration (Ernst, Geurts & Wehenkel 2005, "Tree-based batch mode reinforcement
    learning") with a table: every cell takes the mean over its steps of reward + gamma max over allowed actions of
    Q(o', .). There are as many passes as the longest log has steps: no return is longer. Attributes marked (leaf) may
    be swept with `vmap`; the others are static.

    Examples:
        >>> import jax, jaxrec
        >>> from jaxrec.envs.preference import PreferenceShift
        >>> from jaxrec.estimation import record
        >>> from jaxrec.offline import BatchQ
        >>> env = PreferenceShift(horizon=3, observe_as="state")
        >>> logs, _ = record(env, env.policy("random"), jax.random.key(0), 100)
        >>> agent = BatchQ(env, logs, threshold=0.05)
        >>> state = jaxrec.fit(agent, jax.random.split(jax.random.key(1), 1), jaxrec.batched(env.default_params, 1))
        >>> state.q.shape
        (1, 5184, 6)

    Attributes:
        env: supplies observations and actions; it has `num_observations` and `observation_index`.
        logs: (leaf) with actions, rewards and observations. What follows a user's last step counts 0.
        gamma: (leaf) discount, in [0, 1].
        threshold: (leaf) only actions whose share among the logged ones at an observation is at least this are
            considered, in [0, 1]; where none is, the most frequent ones. 0: all, those never logged too
            (batch-constrained: Fujimoto, Meger & Precup 2019, "Off-policy deep reinforcement learning without
            exploration", section 4.1, in its tabular form).
        pessimism: (leaf) from 0, the value of a cell with n steps is lowered by pessimism / sqrt(n), in the unit of the
            reward (lower confidence bound: Rashidinejad et al. 2021, "Bridging offline reinforcement learning and
            imitation learning", Algorithm 3).
        initial_q: (leaf) the value of a cell that was never logged, where it is considered: a number, or
            float[num_observations, num_actions].
    """

    env: Environment = struct.field(pytree_node=False)
    logs: Logs
    gamma: Leaf | float = 1.0
    threshold: Leaf | float = 0.0
    pessimism: Leaf | float = 0.0
    initial_q: Leaf | float = 0.0

    def check(self) -> None:
        """Raises InputError for a concrete hyper-parameter out of range, and for logs of another environment."""
        check_table(self.env, self.logs, "BatchQ")
        for name in ("gamma", "threshold"):
            checks.within(name, getattr(self, name), 0.0, 1.0)
        checks.within("pessimism", self.pessimism, 0.0, checks.LARGEST)
        checks.bounded(self.initial_q, "initial_q")

    @property
    def num_updates(self) -> int:
        """Passes over the logs."""
        return np.shape(self.logs.valid)[-1]

    def init(self, key: Array, params: PyTree) -> BatchQState:
        """Begins a training: no step is left, and so nothing to earn. Neither key nor parameters are read.

        Raises:
            InputError: for concrete hyper-parameters out of range.
        """
        self.check()
        counts = transitions(self.env, self.logs).counts(self._shape)
        return BatchQState(jnp.zeros(self._shape), self._allowed(counts))

    def advance(
        self, state: BatchQState, params: PyTree, first: Count, last: Count
    ) -> tuple[BatchQState, dict[str, Array]]:
        """Makes the passes `first` ... `last` - 1, jittable.

        Args:
            state: after the passes before.
            params: not read.
            first: the first pass.
            last: the pass after the last, larger than `first`.

        Returns:
            (state, metrics): `value`, what the policy is believed to earn an episode, a mean over the users of the
            logs; `loss`, the mean square of what the last pass changed, over their steps.
        """
        steps = transitions(self.env, self.logs)
        counts = steps.counts(self._shape)

        def sweep(_: Count, q: Array) -> Array:
            future = jnp.where(steps.ends, 0, self._best(q, state.allowed)[steps.there])
            target = steps.reward + self.gamma * future
            lowered = steps.means(target, counts, self.initial_q) - self.pessimism / jnp.sqrt(jnp.maximum(counts, 1))
            return jnp.where(counts > 0, lowered, self.initial_q)

        before = jax.lax.fori_loop(first, last - 1, sweep, state.q)
        state = state.replace(q=sweep(last, before))
        return state, {"value": self._believed(state, steps), "loss": _change(before, state.q, steps)}

    def policy(self, state: BatchQState) -> TabularPolicy:
        """The greedy policy among the actions that it may take."""
        return TabularPolicy(jnp.where(state.allowed, state.q, -jnp.inf), self.env)

    @property
    def _shape(self) -> tuple[int, int]:
        assert self.env.num_observations is not None  # `check` refuses such an environment
        return self.env.num_observations, self.env.num_actions

    def _allowed(self, counts: Array) -> Bool[Array, "observations actions"]:
        """Tells which actions are considered: all where nothing was logged."""
        share = counts / jnp.maximum(counts.sum(axis=1, keepdims=True), 1)
        rounding = 4 * jnp.finfo(share.dtype).eps  # 3 of 10 may come out below 0.3: XLA multiplies by 1 / 10
        enough = share >= jnp.asarray(self.threshold) * (1 - rounding)
        likeliest = share == share.max(axis=1, keepdims=True)
        return jnp.where(enough.any(axis=1, keepdims=True), enough, likeliest)

    def _best(self, q: Array, allowed: Array) -> Float[Array, " observations"]:
        return jnp.where(allowed, q, -jnp.inf).max(axis=1)

    def _believed(self, state: BatchQState, steps: Transitions) -> Float[Array, ""]:
        first, weight = steps.here[:, 0], steps.weight[:, 0]
        return (weight * self._best(state.q, state.allowed)[first]).sum() / weight.sum()


def _change(before: Array, after: Array, steps: Transitions) -> Float[Array, ""]:
    """The mean square of a change of cells, over steps."""
    square = jnp.square(after - before)[steps.here, steps.action]
    return (steps.weight * square).sum() / steps.weight.sum()
