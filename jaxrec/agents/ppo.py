"""Proximal policy optimisation, the whole training inside `jax.lax.scan`.

Schulman et al. 2017, "Proximal Policy Optimization Algorithms". Policies differ in their network alone; see `networks`.

*Steps that ask for nothing.* Where an observation has a field `requested` (bool) and it is false, no action was read:
the step counts for values, and has no weight in the policy loss, the entropy and the advantage statistics.
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from jaxrec import checks, measures, random, sums, vectorized
from jaxrec.agents import collection, losses, microbatches, on_policy
from jaxrec.agents.critic import LeastSquares, NetworkValue, check_critic
from jaxrec.agents.masks import judged, slate_size
from jaxrec.agents.network_policy import NetworkPolicy
from jaxrec.agents.networks import Network, check_network, for_actions
from jaxrec.agents.on_policy import Batch, Count, PPOState, Scalar
from jaxrec.environment import Environment
from jaxrec.fusion import keys_once
from jaxrec.inputs import check_clock, check_env
from jaxrec.runtime.jit_by_class import jit
from jaxrec.runtime.sharding import shard_envs
from jaxrec.utilities import Leaf


class PPO(checks.KnownKeywords, struct.PyTreeNode):
    """PPO with clipped policy and value losses for any environment whose actions are discrete, or slates.

    Bootstraps through truncation with the value of the true final observation, not through termination. Attributes
    marked (leaf) may be swept with `vmap`; the others are static.

    Attributes:
        env, network: the environment; the network, see `networks`.
        total_timesteps: environment steps of the training, over all environments; rounded up to whole updates.
        num_envs: environments in parallel.
        num_steps: steps of each environment in a batch.
        num_epochs: passes over each batch.
        num_minibatches: updates in each pass. It must divide the batch; for a recurrent network, the environments.
        microbatch_size: samples (of a recurrent network, environments) whose gradients are computed at once: a divisor
            of a minibatch. None for what fits the cache of a CPU (`microbatches`); for all elsewhere, and if recurrent.
        learning_rate, learning_rate_end: (leaf) of Adam, linear over the training.
        gamma: (leaf) discount.
        gae_lambda: (leaf) lambda of the advantage estimates.
        clip_eps: (leaf) how far the ratio of probabilities may leave 1.
        value_clip_eps: (leaf) how far values may move in one batch; infinite for no limit.
        vf_coef: (leaf) weight of the value loss.
        ent_coef, ent_coef_end: (leaf) weight of the entropy bonus, linear over the training.
        max_grad_norm: (leaf) gradients are scaled to this global norm where they exceed it.
        reward_scale: (leaf) rewards are multiplied by it before they are learned from; metrics are of the rewards paid.
        critic: gives the values, and the network's are not read; else None. See `critic`.
        log_metrics: metrics of the environment whose means over the steps that asked for an action are reported.
    """

    env: Environment = struct.field(pytree_node=False)
    network: Network = struct.field(pytree_node=False)
    total_timesteps: int = struct.field(pytree_node=False)
    num_envs: int = struct.field(pytree_node=False, default=64)
    num_steps: int = struct.field(pytree_node=False, default=128)
    num_epochs: int = struct.field(pytree_node=False, default=4)
    num_minibatches: int = struct.field(pytree_node=False, default=4)
    microbatch_size: int | None = struct.field(pytree_node=False, default=None)
    learning_rate: Leaf | float = 1e-3
    learning_rate_end: Leaf | float = 0.0
    gamma: Leaf | float = 0.99
    gae_lambda: Leaf | float = 0.95
    clip_eps: Leaf | float = 0.2
    value_clip_eps: Leaf | float = jnp.inf
    vf_coef: Leaf | float = 0.5
    ent_coef: Leaf | float = 0.01
    ent_coef_end: Leaf | float = 0.0
    max_grad_norm: Leaf | float = 0.5
    reward_scale: Leaf | float = 1.0
    critic: LeastSquares | None = None
    log_metrics: tuple[str, ...] = struct.field(pytree_node=False, default=())

    def __post_init__(self) -> None:
        check_env(self.env)
        object.__setattr__(self, "log_metrics", checks.hashable(self.log_metrics))
        for name in ("total_timesteps", "num_envs", "num_steps", "num_epochs", "num_minibatches"):
            checks.positive(name, getattr(self, name))
        check_clock(self)
        object.__setattr__(self, "network", for_actions(self.network, self.env))
        check_network(self.network, self.env)
        whole = self.num_envs * (1 if self.network.is_recurrent else self.num_steps)
        if whole % self.num_minibatches:
            of = "num_envs" if self.network.is_recurrent else "num_envs * num_steps"
            raise checks.InputError(f"num_minibatches must divide {of}={whole}, got {self.num_minibatches}")
        if self.microbatch_size is not None:
            checks.positive("microbatch_size", self.microbatch_size)
            if whole // self.num_minibatches % self.microbatch_size:
                of = f"a minibatch of {whole // self.num_minibatches}"
                raise checks.InputError(f"microbatch_size must divide {of}, got {self.microbatch_size}")
        measures.check_logged(self.env, self.log_metrics)

    def check(self) -> None:
        """Raises InputError for a concrete hyper-parameter out of range."""
        for name, (low, high) in losses.RANGES.items():
            checks.within(name, getattr(self, name), low, high)
        if self.critic is not None:
            check_critic(self.critic, self.env)

    @property
    def num_updates(self) -> int:
        """Batches of a whole training."""
        return -(-self.total_timesteps // (self.num_envs * self.num_steps))

    def init(self, key: Array, params: PyTree, network_params: PyTree = None) -> PPOState:
        """Gives the start of a training.

        Args:
            key: a typed key.
            params: run-time values of the environment.
            network_params: weights to start from; drawn if None.

        Raises:
            InputError: for concrete hyper-parameters out of range.
        """
        self.check()
        key, key_reset, key_network = keys_once(jax.random.split(key, 3))
        obs, env_state, reset_pool = vectorized.reset_with_pool(self.env, key_reset, params, self.num_envs)
        carry = self.network.initialize_carry()
        one, its_state = jax.tree.map(lambda leaf: leaf[0], (obs, env_state))
        if network_params is None:
            network_params = self.network.init(key_network, carry, one)
        return PPOState(
            network_params=network_params,
            opt_state=self._optimizer().init(ravel_pytree(network_params)[0]),
            env_state=env_state,
            obs=obs,
            carry=jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.num_envs, *leaf.shape)), carry),
            is_first=jnp.ones(self.num_envs, bool),
            episode_return=jnp.zeros(self.num_envs),
            reset_pool=reset_pool,
            critic=self.values.init(one, its_state),
            key=key,
        )

    def train(self, key: Array, params: PyTree) -> tuple[PPOState, dict[str, Array]]:
        """A whole training, jittable: the final state, and metrics of each batch (float[num_updates])."""

        def body(state: PPOState, batch: Array) -> tuple[PPOState, dict[str, Array]]:
            state, totals = self._batch(state, params, batch)
            return state, on_policy.summary(totals, 1)

        return jax.lax.scan(body, self.init(key, params), jnp.arange(self.num_updates))

    def advance(self, state: PPOState, params: PyTree, first: Count, last: Count) -> tuple[PPOState, dict[str, Array]]:
        """Learns from batches `first` ... `last` - 1, jittable: gives the state, and the mean of their metrics.

        Args:
            state: after the batches before.
            params: run-time values of the environment.
            first: the first batch.
            last: the batch after the last, larger than `first`.
        """
        state, totals = sums.loop(lambda batch, state: self._batch(state, params, batch), state, first, last)
        return state, on_policy.summary(totals, last - first)

    def experience(self, state: PPOState, params: PyTree, batch: Count = 0) -> Batch:
        """Gives what the next batch after `state` will be learned from.

        Args:
            state: of the training.
            params: run-time values of the environment.
            batch: its number; 0 after `init`.
        """
        return self._collect(state, params, batch, jax.random.split(state.key, 3)[1])[1]

    @property
    def sparse(self) -> tuple[str, ...]:
        """The metrics that are NaN in a chunk that has no such value."""
        return ("episode_return", *self.log_metrics)

    def policy(self, state: PPOState, greedy: bool = True) -> NetworkPolicy:
        """What was learned so far: the likeliest action, or one drawn as in training."""
        return NetworkPolicy(state.network_params, self.network, greedy, slate_size(self.env))

    def _optimizer(self) -> optax.GradientTransformation:
        limit = jnp.asarray(self.max_grad_norm, jnp.float32)  # as weights are, also under x64
        return optax.chain(optax.clip_by_global_norm(limit), optax.scale_by_adam(eps=1e-5))

    def _batch(self, state: PPOState, params: PyTree, batch: Count) -> tuple[PPOState, dict[str, PyTree]]:
        """One batch collected and learned from, and sums of metrics."""
        key, key_collect, key_learn = jax.random.split(state.key, 3)
        state, collected, metrics = self._collect(state.replace(key=key), params, batch, key_collect)
        state, learned = self.learn(state, collected, jnp.asarray(batch / self.num_updates, float), key_learn)
        return state, metrics | learned

    @jit()  # traced once for `experience` and `advance`
    def _collect(
        self, state: PPOState, params: PyTree, update: Count, key: Array
    ) -> tuple[PPOState, Batch, dict[str, Array]]:
        """`num_steps` steps of every environment, with advantages."""
        params = self.env.prepare(params)

        def body(state: PPOState, inputs: tuple[Array, Array]) -> tuple[PPOState, PyTree]:
            key_act, key_step, key_reset = inputs[1]
            choice = collection.choose(self, state, key_act)
            step = vectorized.step(self.env, key_step, state.env_state, state.obs, choice.action, params)
            noted = collection.record(self, state, choice, step, params)
            obs, env_state = vectorized.auto_reset(self.env, key_reset, step, params, state.reset_pool)
            return collection.moved(state, choice, step, obs, env_state), noted

        def restart(state: PPOState, inputs: tuple[Array, Array]) -> PPOState:
            last, (time, keys) = (state.obs, state.env_state), inputs
            obs, env_state = vectorized.begin_together(self.env, keys[2], last, params, time)
            return state.replace(obs=obs, env_state=env_state)

        inputs = vectorized.clock(update * self.num_steps, self.num_steps, key, 3)
        state, (steps, ended) = vectorized.scan(self.env, body, restart, state, inputs)
        return collection.judge(self, state, steps, ended)

    @property
    def values(self) -> LeastSquares | NetworkValue:
        """Where values come from."""
        return NetworkValue() if self.critic is None else self.critic

    def learn(self, state: PPOState, batch: Batch, progress: Scalar, key: Array) -> tuple[PPOState, dict[str, Array]]:
        """Passes over the batch `num_epochs` times.

        Args:
            state: before.
            batch: what is learned from.
            progress: float[] from 0 to 1, how much of the training is over.
            key: a typed key.

        Returns:
            The state with the network after these passes, and means of metrics.
        """
        if not self.network.is_recurrent:  # each step is a sequence of its own
            batch = jax.tree.map(lambda leaf: leaf.reshape(1, -1, *leaf.shape[2:]), batch)
        sequences, asked = batch.is_first.shape[1], on_policy.requested(batch.obs, batch.value)
        rate = self.learning_rate + (self.learning_rate_end - self.learning_rate) * progress
        ent_coef = self.ent_coef + (self.ent_coef_end - self.ent_coef) * progress
        size = self._microbatch(state.network_params, batch)
        flat, unravel = ravel_pytree(state.network_params)  # one vector: each leaf would take kernels of its own

        def update(carry: tuple[Array, PyTree], chosen: Array) -> tuple[tuple[Array, PyTree], Array]:
            flat, opt_state = carry
            weights = asked[:, chosen]
            sizes = jnp.maximum(weights.sum(), 1), weights.size
            advantage = losses.normalised(batch.advantage[:, chosen], weights)

            def gradient(chosen: Array, advantage: Array) -> tuple[Array, Array]:
                part = jax.tree.map(lambda leaf: leaf[:, chosen], batch).replace(advantage=advantage)
                loss = partial(self._loss, batch=shard_envs(part, axis=1), ent_coef=ent_coef, sizes=sizes)
                return jax.grad(lambda flat: loss(unravel(flat)), has_aux=True)(flat)

            slope, parts = microbatches.summed(gradient, chosen, advantage, size)
            updates, opt_state = self._optimizer().update(slope, opt_state)
            flat = flat - (rate * jnp.asarray(updates)).astype(flat.dtype)
            return (flat, opt_state), jnp.append(parts, jnp.linalg.norm(slope))

        def epoch(carry: PyTree, key: Array) -> tuple[PyTree, Array]:
            order = random.order(key, sequences).reshape(self.num_minibatches, -1)
            return jax.lax.scan(update, carry, order)

        carry, metrics = jax.lax.scan(epoch, (flat, state.opt_state), jax.random.split(key, self.num_epochs))
        *parts, norm = metrics.mean((0, 1))
        means = dict(zip(losses.PARTS, parts, strict=True)) | {"grad_norm": norm}
        means["loss"] = losses.total(parts, self.vf_coef, ent_coef)
        return state.replace(network_params=unravel(carry[0]), opt_state=carry[1]), means

    def _microbatch(self, network_params: PyTree, batch: Batch) -> int:
        count = batch.is_first.shape[1] // self.num_minibatches
        if self.microbatch_size is not None or self.network.is_recurrent:
            return self.microbatch_size or count
        one = jnp.ones(())
        return microbatches.fitting(
            lambda weights, part: self._loss(weights, part, one, (one, count))[0], network_params, batch, count
        )

    def _loss(
        self, network_params: PyTree, batch: Batch, ent_coef: Scalar, sizes: tuple[Array, int]
    ) -> tuple[Scalar, Array]:
        """What a part of a minibatch adds to its loss, and to its parts; `sizes`: its weights together, its samples."""

        def step(carry: PyTree, inputs: tuple[PyTree, Array]) -> tuple[PyTree, tuple[Array, Array]]:
            obs, is_first = inputs
            carry, logits, value = jax.vmap(self.network.apply, in_axes=(None, 0, 0))(
                network_params, on_policy.reset_carry(self.network, carry, is_first), obs
            )
            return carry, (logits, value)

        _, (logits, value) = jax.lax.scan(step, jax.tree.map(lambda x: x[0], batch.carry), (batch.obs, batch.is_first))
        log_prob, entropy = judged(logits, batch.obs, batch.action, slate_size(self.env))
        parts = losses.clipped_losses(
            log_prob - batch.log_prob, entropy,
            value if self.values.is_learned_by_gradients else batch.value, batch.advantage, batch.value, batch.target,
            on_policy.requested(batch.obs, batch.value), self.clip_eps, self.value_clip_eps, *sizes,
        )  # fmt: skip
        return losses.total(parts, self.vf_coef, ent_coef), parts
