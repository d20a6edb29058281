"""Tabular Q-learning, many environments into one table.

*What parallel updates do.* Thousands of environments visit the same cell at once (at time 0, all of them). Adding
their TD errors up would multiply the step size by the number of duplicates. Here k visits in one batch take the cell
where k sequential updates would, each with the mean of the k targets: `Q += step(n, k) * (mean target - Q)`, where
1 - step(n, k) is the product of the k factors (1 - alpha). With sample averages that equals the sequential algorithm
exactly, in whatever order; with other step sizes the k targets weigh the same, which is the mean of the sequential
result over the orders in which they may come, with less noise.

*Order.* A batch is `num_steps` steps of every environment under one frozen table, and is learned from backwards, last
step first: what an episode ended with reaches its beginning in one sweep (backward replay; Lin, "Self-improving
reactive agents", 1992). `num_steps=1` is the classical order.

*Traces.* `td_lambda` mixes the return that followed into the target: Q(lambda) of Peng & Williams, "Incremental
multi-step Q-learning" (1996). Bootstrapping alone takes the maximum over noisy values and overestimates; returns alone
do not. Where epsilon falls to 0, so does the difference between the return that followed and that of the greedy policy.
"""

from functools import partial
from typing import ClassVar, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int, Key, PyTree, UInt32

from jaxrec import checks, observations, sums, vectorized
from jaxrec.agents.on_policy import Count
from jaxrec.agents.step_sizes import GeometricStep, StepSize, VisitStep
from jaxrec.agents.tabular_policy import TabularPolicy, epsilon_greedy, highest
from jaxrec.environment import Environment
from jaxrec.fusion import apart, unit
from jaxrec.inputs import check_clock, check_env
from jaxrec.runtime.jit_by_class import jit
from jaxrec.slates import Slate
from jaxrec.utilities import Leaf

MOST_VISITS = 2**32 - 1  # that uint32 counts


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class QLearningState(struct.PyTreeNode):
    """A training run under way.

    Attributes:
        q: float[num_observations, num_actions], action values.
        visits: uint32[num_observations, num_actions], updates of each cell so far.
        env_state: of the `num_envs` environments.
        here: int32[num_envs], the index of what each observes.
        key: typed key of the draws to come.
    """

    PER_ENV: ClassVar = ("env_state", "here")

    q: Float[Array, "*runs observations actions"]
    visits: UInt32[Array, "*runs observations actions"]
    env_state: PyTree
    here: Int[Array, "*runs envs"]
    key: Key[Array, "*runs"]


class QLearning(checks.KnownKeywords, struct.PyTreeNode):
    """Tabular Q-learning (Watkins 1989) for any environment whose observations can be indexed.

    Epsilon-greedy; bootstraps through truncation, not through termination. Attributes marked (leaf) may be swept with
    `vmap`; the others are static.

    Attributes:
        env: an environment with `num_observations` and `observation_index`.
        total_timesteps: environment steps of the training, over all environments; rounded up to whole updates, at most
            2^32 - 1.
        num_envs, num_steps: environments in parallel; steps of each in a batch.
        gamma: (leaf) discount.
        epsilon_start, epsilon_end: (leaf) share of random actions, linear over the training.
        step_size: (leaf) `GeometricStep` or `VisitStep`.
        initial_q: (leaf) value of a cell never visited.
        td_lambda: (leaf) lambda in [0, 1]; 0 is Q-learning proper. Reaches as far as a batch does.
    """

    env: Environment = struct.field(pytree_node=False)
    total_timesteps: int = struct.field(pytree_node=False)
    num_envs: int = struct.field(pytree_node=False, default=8192)
    num_steps: int = struct.field(pytree_node=False, default=1)
    gamma: Leaf | float = 0.999
    epsilon_start: Leaf | float = 0.1
    epsilon_end: Leaf | float = 0.1
    step_size: StepSize = VisitStep(1.0)
    initial_q: Leaf | float = 0.0
    td_lambda: Leaf | float = 0.0

    def __post_init__(self) -> None:
        check_env(self.env)
        actions = self.env.action_space(self.env.default_params)
        if isinstance(actions, Slate) or not hasattr(actions, "n"):
            raise checks.InputError(f"env must have discrete actions for tabular Q-learning, got {actions}")
        if self.env.num_observations is None:
            raise checks.InputError(
                f"env must have indexable observations for tabular Q-learning; {self.env.name} has not"
                + observations.too_many(self.env.observation_space(self.env.default_params))
            )
        if "action_mask" in getattr(self.env.observation_space(self.env.default_params), "fields", {}):
            raise checks.InputError(
                f"env must allow every action for tabular Q-learning, which reads no mask; {self.env.name} has one"
            )
        for name in ("total_timesteps", "num_envs", "num_steps"):
            checks.positive(name, getattr(self, name))
        check_clock(self)
        whole = self.num_updates * self.num_envs * self.num_steps
        checks.positive("total_timesteps, in whole updates,", whole, MOST_VISITS)

    def check(self) -> None:
        """Raises InputError for a concrete hyper-parameter out of range."""
        for name in ("gamma", "epsilon_start", "epsilon_end", "td_lambda"):
            checks.within(name, getattr(self, name), 0.0, 1.0)
        checks.bounded(self.initial_q, "initial_q")
        if not isinstance(self.step_size, GeometricStep | VisitStep):
            raise checks.InputError(f"step_size must be a GeometricStep or a VisitStep, got {self.step_size!r}")
        self.step_size.check()

    @property
    def num_updates(self) -> int:
        """Batches of a whole training."""
        return -(-self.total_timesteps // (self.num_envs * self.num_steps))

    def init(self, key: Array, params: PyTree) -> QLearningState:
        """The start of a training.

        Raises:
            InputError: for concrete hyper-parameters out of range.
        """
        self.check()
        key, key_reset = jax.random.split(key)
        obs, env_state = vectorized.reset(self.env, key_reset, params, self.num_envs)
        shape = (self.env.num_observations, self.env.num_actions)
        q = jnp.full(shape, self.initial_q, float)
        return QLearningState(q, jnp.zeros(shape, jnp.uint32), env_state, self._index(obs), key)

    def train(self, key: Array, params: PyTree) -> tuple[QLearningState, dict[str, Array]]:
        """A whole training, jittable: the final state, and metrics of each batch (float[num_updates])."""
        return jax.lax.scan(
            lambda state, batch: self._batch(state, params, batch), self.init(key, params), jnp.arange(self.num_updates)
        )

    def advance(
        self, state: QLearningState, params: PyTree, first: Count, last: Count
    ) -> tuple[QLearningState, dict[str, Array]]:
        """Learns from batches `first` ... `last` - 1, jittable: gives the state, and the mean of their metrics.

        Args:
            state: after the batches before.
            params: run-time values of the environment.
            first: the first batch.
            last: the batch after the last, larger than `first`.
        """
        state, totals = sums.loop(lambda batch, state: self._batch(state, params, batch), state, first, last)
        return state, jax.tree.map(lambda total: total / (last - first), totals)

    def experience(self, state: QLearningState, params: PyTree, batch: Count = 0) -> "Experience":
        """Gives what the next batch after `state` will be learned from.

        Args:
            state: of the training.
            params: run-time values of the environment.
            batch: its number; 0 after `init`.
        """
        _, epsilon = self._progress(batch)
        return self._collect(state, params, batch, epsilon, jax.random.split(state.key)[1])[1]

    def policy(self, state: QLearningState) -> TabularPolicy:
        """The greedy policy learned so far."""
        return TabularPolicy(state.q, self.env)

    def _batch(self, state: QLearningState, params: PyTree, batch: Count) -> tuple[QLearningState, dict[str, Array]]:
        progress, epsilon = self._progress(batch)
        key, key_collect = jax.random.split(state.key)
        state, experience = self._collect(state.replace(key=key), params, batch, epsilon, key_collect)
        learn = partial(self._learn, progress=progress)
        bootstrap = highest(state.q[experience.there[-1]])
        (q, visits, _), _ = jax.lax.scan(learn, (state.q, state.visits, bootstrap), experience, reverse=True)
        metrics = {"reward": experience.reward.mean(), "epsilon": epsilon}
        return state.replace(q=q, visits=visits), metrics

    def _progress(self, batch: Count) -> tuple[Array, Array]:
        """(float[] share of the training done before a batch, float[] share of random actions in it)."""
        progress = jnp.asarray(batch / self.num_updates, float)
        return progress, self.epsilon_start + (self.epsilon_end - self.epsilon_start) * progress

    @jit()  # traced once for `experience` and `advance`
    def _collect(
        self, state: QLearningState, params: PyTree, batch: Count, epsilon: Array, key: Array
    ) -> tuple[QLearningState, "Experience"]:
        """`num_steps` steps of every environment under a frozen table."""
        params, one = self.env.prepare(params), unit(epsilon)

        def index(obs: PyTree) -> Array:
            return apart(self._index(obs), one)

        def body(carry, inputs):
            here, env_state = carry
            key_act, key_step, key_reset = inputs[1]
            action = jax.vmap(epsilon_greedy, in_axes=(0, None, 0))(
                apart(state.q[here], one), epsilon, jax.random.uniform(key_act, (self.num_envs,))
            )
            step = vectorized.step(self.env, key_step, env_state, None, action, params)
            obs, env_state = vectorized.auto_reset(self.env, key_reset, step, params)
            there = index(step.next_obs)
            ends = (there, step.truncated) if self.env.may_truncate else ()
            taken = (step.reward, here, step.action, step.terminated, *ends)
            return (there if self.env.fixed_horizon is not None else index(obs), env_state), taken

        def restart(carry, inputs):
            time, keys = inputs
            return vectorized.begin_together(self.env, keys[2], carry, params, time, index)

        inputs = vectorized.clock(batch * self.num_steps, self.num_steps, key, 3)
        start = (state.here, state.env_state)
        (here, env_state), taken = vectorized.scan(self.env, body, restart, start, inputs)
        return state.replace(here=here, env_state=env_state), _experience(*taken, last=here)

    def _index(self, obs: PyTree) -> Array:
        """int32[num_envs]: the cells of observations."""
        return jax.vmap(self.env.observation_index)(obs)

    def _learn(
        self, carry: tuple[Array, Array, Array], experience: "Experience", progress: Array
    ) -> tuple[tuple[Array, Array, Array], None]:
        """Learns from one step of every environment; the last entry of the carry is the return that followed it."""
        q, visits, followed = carry
        one = unit(progress)
        bootstrap = highest(apart(q[experience.there], one))
        future = jnp.where(experience.truncated, bootstrap, bootstrap + self.td_lambda * (followed - bootstrap))
        target = experience.reward + self.gamma * jnp.where(experience.terminated, 0, future)
        cell = (experience.here, experience.action)
        before = visits[cell]
        # That what is added depends on `before` makes XLA read it first: else it copies the table to read it later.
        counted = before <= np.uint32(MOST_VISITS - 2 * self.num_envs)  # else visits + k might begin anew
        visits = visits.at[cell].add(counted.astype(visits.dtype))
        visited = apart(visits[cell], one) - before
        k = jnp.where(counted, visited, self.num_envs)  # as many as there may be, where none is counted
        step = self.step_size(before, k, progress)
        return (q.at[cell].add(step / k * (target - apart(q[cell], one))), visits, target), None


@no_type_check
class Experience(struct.PyTreeNode):
    """What a table learns from; every leaf is [num_envs], or [num_steps, num_envs] in a batch.

    Attributes:
        here, there: int32, indices of the observations before and after the step; after one that ended an episode for
            good `there` may be any.
        action: int32.
        reward: float.
        terminated, truncated: bool.
    """

    here: Int[Array, "*steps envs"]
    action: Int[Array, "*steps envs"]
    reward: Float[Array, "*steps envs"]
    there: Int[Array, "*steps envs"]
    terminated: Bool[Array, "*steps envs"]
    truncated: Bool[Array, "*steps envs"]


def _experience(
    reward: Array, here: Array, action: Array, terminated: Array, *ends: Array, last: Int[Array, " envs"]
) -> Experience:
    """The experience of many steps, after which `last` is observed; `ends` is (there, truncated) where steps truncate.

    Where none does, what follows an end is not read: the next step's observation stands for it.
    """
    there, truncated = ends or (jnp.concatenate([here[1:], last[None]]), jnp.zeros_like(terminated))
    return Experience(here, action, reward, there, terminated, truncated)
