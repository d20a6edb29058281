"""Proximal policy optimisation, the whole training inside `jax.lax.scan`.

Schulman et al. 2017, "Proximal Policy Optimization Algorithms". Feed-forward, recurrent and graph policies differ in
their network alone; see `networks`.

*Steps that ask for nothing.* Where an observation has a field `requested` (bool) and it is false, no action was read:
the step counts for values, and has no weight in the policy loss, the entropy and the advantage statistics.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array
from jaxtyping import Float, Int

from jaxrec import checks, measures, vectorized
from jaxrec.agents import losses
from jaxrec.agents.critic import LeastSquares, check_critic
from jaxrec.agents.networks import NetworkPolicy, check_network, distribution
from jaxrec.environment import Environment
from jaxrec.inputs import check_clock, check_env
from jaxrec.runtime.sharding import shard_envs
from jaxrec.spaces import field_of
from jaxrec.sums import Sum


class PPOState(struct.PyTreeNode):
    """A training run under way.

    Attributes:
        network_params: weights of the network.
        opt_state: optax state.
        env_state, obs: of the `num_envs` environments.
        carry: of the network in each of them.
        is_first: bool[num_envs], `obs` is the first of an episode.
        episode_return: float[num_envs], the return of the episode under way.
        reset_pool: start states to restart from, where a reset is costly; else None.
        critic: weights of `PPO.critic`; None without one.
        key: typed key of the draws to come.
    """

    PER_ENV: ClassVar = ("env_state", "obs", "carry", "is_first", "episode_return")

    network_params: Any
    opt_state: Any
    env_state: Any
    obs: Any
    carry: Any
    is_first: Any
    episode_return: Any
    reset_pool: Any
    critic: Any
    key: Any


class Samples(struct.PyTreeNode):
    """What PPO learns from; every leaf is [steps, num_envs, ...].

    Attributes:
        obs, carry, is_first: where the action was chosen.
        action: int32.
        log_prob, value: float, of the network that acted.
        advantage, target: float, of the action and for the value.
        features: float[steps, num_envs, features], what the critic looks at; None once advantages are known.
    """

    obs: Any
    carry: Any
    is_first: Any
    action: Any
    log_prob: Any
    value: Any
    advantage: Any
    target: Any
    features: Any


class Paid(struct.PyTreeNode):
    """What a batch earned; every leaf is [num_steps, num_envs].

    Attributes:
        rewards: float, scaled.
        terminated, truncated: bool, the episode ended there, either way.
    """

    rewards: Any
    terminated: Any
    truncated: Any


class PPO(struct.PyTreeNode):
    """PPO with clipped policy and value losses for any environment with discrete actions.

    Bootstraps through truncation with the value of the true final observation, not through termination. Attributes
    marked (leaf) may be swept with `vmap`; the others are static.

    Attributes:
        env: the environment.
        network: see `networks`.
        total_timesteps: environment steps of the training, over all environments; rounded up to whole updates.
        num_envs: environments in parallel.
        num_steps: steps of each environment in a batch.
        num_epochs: passes over each batch.
        num_minibatches: updates in each pass. It must divide the batch; for a recurrent network, the environments.
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
    network: Any = struct.field(pytree_node=False)
    total_timesteps: int = struct.field(pytree_node=False)
    num_envs: int = struct.field(pytree_node=False, default=64)
    num_steps: int = struct.field(pytree_node=False, default=128)
    num_epochs: int = struct.field(pytree_node=False, default=4)
    num_minibatches: int = struct.field(pytree_node=False, default=4)
    learning_rate: Any = 1e-3
    learning_rate_end: Any = 0.0
    gamma: Any = 0.99
    gae_lambda: Any = 0.95
    clip_eps: Any = 0.2
    value_clip_eps: Any = jnp.inf
    vf_coef: Any = 0.5
    ent_coef: Any = 0.01
    ent_coef_end: Any = 0.0
    max_grad_norm: Any = 0.5
    reward_scale: Any = 1.0
    critic: LeastSquares | None = None
    log_metrics: tuple[str, ...] = struct.field(pytree_node=False, default=())

    def __post_init__(self) -> None:
        check_env(self.env)
        object.__setattr__(self, "log_metrics", checks.hashable(self.log_metrics))
        for name in ("total_timesteps", "num_envs", "num_steps", "num_epochs", "num_minibatches"):
            checks.positive(name, getattr(self, name))
        check_clock(self)
        check_network(self.network, self.env)
        whole = self.num_envs * (1 if self.network.is_recurrent else self.num_steps)
        if whole % self.num_minibatches:
            of = "num_envs" if self.network.is_recurrent else "num_envs * num_steps"
            raise checks.InputError(f"num_minibatches must divide {of}={whole}, got {self.num_minibatches}")
        self._check_log_metrics()

    def check(self) -> None:
        """Raises InputError for a concrete hyper-parameter out of range."""
        for name in ("gamma", "gae_lambda"):
            checks.within(name, getattr(self, name), 0.0, 1.0)
        for name in ("learning_rate", "learning_rate_end", "vf_coef", "reward_scale"):
            checks.within(name, getattr(self, name), 0.0, checks.LARGEST)
        for name in ("clip_eps", "value_clip_eps"):
            checks.within(name, getattr(self, name), 0.0, jnp.inf)
        checks.within("max_grad_norm", self.max_grad_norm, losses.SMALLEST_NORM, jnp.inf)
        for name in ("ent_coef", "ent_coef_end"):
            checks.bounded(getattr(self, name), name)
        if self.critic is not None:
            check_critic(self.critic, self.env)

    def _check_log_metrics(self) -> None:
        """Raises InputError for what is to be tracked and no metric of the environment."""
        if self.log_metrics:
            key, params = jax.random.key(0), self.env.default_params
            _, state = jax.eval_shape(self.env.reset_env, key, params)
            measured = jax.eval_shape(self.env.metrics, state, jnp.int32(0), state, params)
            measures.check_names(self.env, measured)
            checks.distinct("log_metrics", self.log_metrics)
            for name in self.log_metrics:
                checks.lookup(measured, name, f"metric of {self.env.name}")

    @property
    def num_updates(self) -> int:
        """Batches of a whole training."""
        return -(-self.total_timesteps // (self.num_envs * self.num_steps))

    def init(self, key: Array, params: Any, network_params: Any = None) -> PPOState:
        """The start of a training, from `network_params` if given.

        Raises:
            InputError: for concrete hyper-parameters out of range.
        """
        self.check()
        key, key_reset, key_network = jax.random.split(key, 3)
        obs, env_state, reset_pool = vectorized.reset_with_pool(self.env, key_reset, params, self.num_envs)
        carry = self.network.initialize_carry()
        one, its_state = jax.tree.map(lambda leaf: leaf[0], (obs, env_state))
        if network_params is None:
            network_params = self.network.init(key_network, carry, one)
        return PPOState(
            network_params=network_params,
            opt_state=self._optimizer().init(network_params),
            env_state=env_state,
            obs=obs,
            carry=jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.num_envs, *leaf.shape)), carry),
            is_first=jnp.ones(self.num_envs, bool),
            episode_return=jnp.zeros(self.num_envs),
            reset_pool=reset_pool,
            critic=None if self.critic is None else self.critic.init(one, its_state),
            key=key,
        )

    def train(self, key: Array, params: Any) -> tuple[PPOState, dict[str, Array]]:
        """A whole training, jittable: the final state, and metrics of each batch (float[num_updates])."""

        def body(state: PPOState, batch: Array) -> tuple[PPOState, dict[str, Array]]:
            state, sums = self._batch(state, params, batch)
            return state, self._summary(sums, 1)

        return jax.lax.scan(body, self.init(key, params), jnp.arange(self.num_updates))

    def advance(
        self, state: PPOState, params: Any, first: Int[Array, ""] | int, last: Int[Array, ""] | int
    ) -> tuple[PPOState, dict[str, Array]]:
        """Batches `first` ... `last` - 1 (at least one), jittable: the state, and the mean of their metrics."""

        def body(batch: Array, carry: Any) -> Any:
            state, sums = carry
            state, more = self._batch(state, params, batch)
            return state, sums.add(more)

        state, more = self._batch(state, params, first)
        state, sums = jax.lax.fori_loop(first + 1, last, body, (state, Sum.zeros(more).add(more)))
        return state, self._summary(sums.total, last - first)

    def experience(self, state: PPOState, params: Any, batch: Int[Array, ""] | int = 0) -> Samples:
        """What batch number `batch`, the next one after `state`, will be learned from; 0 after `init`."""
        return self._collect(state, params, batch, jax.random.split(state.key, 3)[1])[1]

    @property
    def sparse(self) -> tuple[str, ...]:
        """The metrics that are NaN in a chunk that has no such value."""
        return ("episode_return", *self.log_metrics)

    def policy(self, state: PPOState, greedy: bool = True) -> NetworkPolicy:
        """What was learned so far: the likeliest action, or one drawn as in training."""
        return NetworkPolicy(state.network_params, self.network, greedy)

    def _optimizer(self) -> optax.GradientTransformation:
        limit = jnp.asarray(self.max_grad_norm, jnp.float32)  # as weights are, also under x64
        return optax.chain(optax.clip_by_global_norm(limit), optax.scale_by_adam(eps=1e-5))

    def _batch(
        self, state: PPOState, params: Any, batch: Int[Array, ""] | int
    ) -> tuple[PPOState, dict[str, Float[Array, ""]]]:
        """One batch collected and learned from, and sums of metrics."""
        key, key_collect, key_learn = jax.random.split(state.key, 3)
        state, samples, metrics = self._collect(state.replace(key=key), params, batch, key_collect)
        progress = jnp.asarray(batch / self.num_updates, float)
        state, learned = self._learn(state, samples, progress, key_learn)
        return state, metrics | learned

    def _collect(
        self, state: PPOState, params: Any, batch: Int[Array, ""] | int, key: Array
    ) -> tuple[PPOState, Samples, dict[str, Array]]:
        """`num_steps` steps of every environment, with advantages."""
        evaluate = jax.vmap(self.network.apply, in_axes=(None, 0, 0))

        def body(state: PPOState, inputs: tuple[Array, Array]) -> tuple[PPOState, Any]:
            time, key = inputs
            key_act, key_step, key_reset = jax.random.split(key, 3)
            carry, logits, value = evaluate(
                state.network_params, self._reset_carry(state.carry, state.is_first), state.obs
            )
            chosen = distribution(logits, state.obs)
            action, log_prob = chosen.sample_and_log_prob(seed=key_act)
            step = vectorized.step(self.env, key_step, state.env_state, state.obs, action, params)
            seen = self._features(state.obs, state.env_state)
            final = None
            if self.env.may_truncate and self.critic is None:
                final = carry, step.next_obs
            elif self.env.may_truncate:
                final = self._features(step.next_obs, step.next_state)
            obs, env_state = vectorized.auto_reset(self.env, key_reset, step, params, time, state.reset_pool)
            weight = _weight(state.obs, value)
            samples = Samples(state.obs, state.carry, state.is_first, action, log_prob, value, None, None, seen)
            episode_return = state.episode_return + step.reward
            ended = {"return": jnp.where(step.done, episode_return, 0).sum(), "episodes": step.done.sum()}
            ended |= self._tracked(step, weight, params)
            state = state.replace(
                obs=obs,
                env_state=env_state,
                carry=carry,
                is_first=step.done,
                episode_return=jnp.where(step.done, 0, episode_return),
            )
            return state, (samples, step.reward, final, step.terminated, step.truncated, ended)

        times = batch * self.num_steps + 1 + jnp.arange(self.num_steps)
        state, (samples, rewards, final, terminated, truncated, ended) = jax.lax.scan(
            body, state, (times, jax.random.split(key, self.num_steps))
        )
        metrics = {"reward": rewards.mean()} | jax.tree.map(jnp.sum, ended)
        paid = Paid(self.reward_scale * rewards, terminated, truncated)
        if self.critic is not None:
            state, samples = self._fit_critic(self.critic, state, samples, paid, final)
            return state, samples, metrics
        last = evaluate(state.network_params, self._reset_carry(state.carry, state.is_first), state.obs)[2]
        ends = None if final is None else self._cut_off_values(state.network_params, final, truncated)
        advantage = self._advantages(paid, samples.value, last, ends, self.gae_lambda)
        return state, samples.replace(advantage=advantage, target=advantage + samples.value), metrics

    def _cut_off_values(self, network_params: Any, final: tuple[Any, Any], truncated: Array) -> Array:
        """float[num_steps, num_envs]: the value of the true final observation where an episode was cut off, else 0.

        Few are: they are picked out and valued `num_envs` at a time.
        """
        places = jnp.nonzero(truncated.ravel(), size=truncated.size, fill_value=truncated.size)[0]
        final = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), final)

        def body(block: Array, values: Array) -> Array:
            at = jax.lax.dynamic_slice_in_dim(places, block * self.num_envs, self.num_envs)
            carry, obs = jax.tree.map(lambda leaf: leaf[at], final)
            _, _, value = jax.vmap(self.network.apply, in_axes=(None, 0, 0))(network_params, carry, obs)
            return values.at[at].set(value, mode="drop")

        blocks = -(-truncated.sum() // self.num_envs)
        return jax.lax.fori_loop(0, blocks, body, jnp.zeros(truncated.size)).reshape(truncated.shape)

    def _fit_critic(
        self, fitted: LeastSquares, state: PPOState, samples: Samples, paid: Paid, final: Array | None
    ) -> tuple[PPOState, Samples]:
        """The critic fitted to the returns of the batch, and advantages by what it says.

        `final`: float[num_steps, num_envs, features] after each step, where episodes may be cut off.
        """
        last = self._features(state.obs, state.env_state)

        def judged(critic: Any, gae_lambda: Any) -> tuple[Array, Array]:
            values, ends = critic(samples.features), None if final is None else critic(final)
            return values, self._advantages(paid, values, critic(last), ends, gae_lambda)

        values, advantage = judged(state.critic, fitted.td_lambda)
        critic = fitted.fit(samples.features, values + advantage)
        values, advantage = judged(critic, self.gae_lambda)
        samples = samples.replace(value=values, advantage=advantage, target=values + advantage, features=None)
        return state.replace(critic=critic), samples

    def _features(self, obs: Any, env_state: Any) -> Any:
        """float[num_envs, features] of the critic; None without one."""
        return None if self.critic is None else jax.vmap(self.critic.features)(obs, env_state)

    def _advantages(self, paid: Paid, values: Array, last: Array, ends: Array | None, gae_lambda: Any) -> Array:
        """float[num_steps, num_envs], from the values there, after the `last` step, and where episodes were cut off."""
        following = jnp.concatenate([values[1:], last[None]])
        if ends is not None:  # not the value of the next start follows there
            following = jnp.where(paid.truncated, ends, following)
        return jax.vmap(losses.generalised_advantages, in_axes=(1, 1, 1, 1, 1, None, None), out_axes=1)(
            paid.rewards, values, following, paid.terminated, paid.truncated, self.gamma, gae_lambda
        )

    def _tracked(self, step: vectorized.Step, weight: Array, params: Any) -> dict[str, Any]:
        """Of the metrics to be reported: sums over the environments that asked for an action and have them, and counts.

        `weight`: float[num_envs], 1 where an action was asked for.
        """
        if not self.log_metrics:
            return {}
        measured = jax.vmap(self.env.metrics, in_axes=(0, 0, 0, None))(step.state, step.action, step.next_state, params)
        values = {name: jnp.asarray(measured[name], float) for name in self.log_metrics}
        there = dict.fromkeys(self.log_metrics, weight)
        for name in set(self.log_metrics) & set(self.env.sparse_metrics):
            there[name] = weight * ~jnp.isnan(values[name])
            values[name] = jnp.where(there[name] > 0, values[name], 0)
        return {
            "tracked": {name: (values[name] * there[name]).sum() for name in self.log_metrics},
            "asked": {name: there[name].sum() for name in self.log_metrics},
        }

    def _learn(
        self, state: PPOState, samples: Samples, progress: Float[Array, ""], key: Array
    ) -> tuple[PPOState, dict[str, Array]]:
        """The network after `num_epochs` passes over the batch."""
        if not self.network.is_recurrent:  # each step is a sequence of its own
            samples = jax.tree.map(lambda leaf: leaf.reshape(1, -1, *leaf.shape[2:]), samples)
        sequences = samples.is_first.shape[1]
        rate = self.learning_rate + (self.learning_rate_end - self.learning_rate) * progress
        ent_coef = self.ent_coef + (self.ent_coef_end - self.ent_coef) * progress

        def update(carry: Any, chosen: Array) -> tuple[Any, dict[str, Array]]:
            network_params, opt_state = carry
            part = shard_envs(jax.tree.map(lambda leaf: leaf[:, chosen], samples), axis=1)
            gradients, metrics = jax.grad(self._loss, has_aux=True)(network_params, part, ent_coef)
            updates, opt_state = self._optimizer().update(gradients, opt_state)
            network_params = jax.tree.map(
                lambda weight, change: weight - (rate * change).astype(weight.dtype), network_params, updates
            )
            return (network_params, opt_state), metrics | {"grad_norm": optax.tree.norm(gradients)}

        def epoch(carry: Any, key: Array) -> tuple[Any, dict[str, Array]]:
            order = random_order(key, sequences).reshape(self.num_minibatches, -1)
            return jax.lax.scan(update, carry, order)

        carry, metrics = jax.lax.scan(
            epoch, (state.network_params, state.opt_state), jax.random.split(key, self.num_epochs)
        )
        return state.replace(network_params=carry[0], opt_state=carry[1]), jax.tree.map(jnp.mean, metrics)

    def _loss(
        self, network_params: Any, samples: Samples, ent_coef: Float[Array, ""]
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        """The loss of one minibatch, leaves [steps, sequences, ...]."""

        def step(carry: Any, inputs: tuple[Any, Array]) -> tuple[Any, tuple[Array, Array]]:
            obs, is_first = inputs
            carry, logits, value = jax.vmap(self.network.apply, in_axes=(None, 0, 0))(
                network_params, self._reset_carry(carry, is_first), obs
            )
            return carry, (logits, value)

        first = jax.tree.map(lambda leaf: leaf[0], samples.carry)
        _, (logits, value) = jax.lax.scan(step, first, (samples.obs, samples.is_first))
        chosen = distribution(logits, samples.obs)
        log_ratio = chosen.log_prob(samples.action) - samples.log_prob
        weight = _weight(samples.obs, samples.value)
        advantage = losses.normalised(samples.advantage, weight)
        each = jax.vmap(jax.vmap(losses.clipped_policy_loss, in_axes=(0, 0, None)), in_axes=(0, 0, None))
        policy_loss = losses.weighted_mean(each(log_ratio, advantage, self.clip_eps), weight)
        if self.critic is not None:
            value = samples.value  # no loss of the network's moves it
        of_value = jax.vmap(jax.vmap(losses.clipped_value_loss, in_axes=(0, 0, 0, None)), in_axes=(0, 0, 0, None))
        value_loss = of_value(value, samples.value, samples.target, self.value_clip_eps).mean()
        entropy = losses.weighted_mean(chosen.entropy(), weight)
        loss = policy_loss + self.vf_coef * value_loss - ent_coef * entropy
        metrics = {
            "loss": loss,
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "approximate_kl": losses.weighted_mean(jnp.exp(log_ratio) - 1 - log_ratio, weight),
        }
        return loss, metrics

    def _summary(self, sums: dict[str, Any], updates: Array | int) -> dict[str, Array]:
        """Means over updates; of what is tracked, over the steps that asked for an action and have a value.

        `episode_return` is the mean over the episodes that ended, `episodes` how many. NaN where there was nothing.
        """
        apart = ("return", "episodes", "tracked", "asked")
        means = {name: total / updates for name, total in sums.items() if name not in apart}
        episodes = jnp.asarray(sums["episodes"], float)
        ended = {"episode_return": sums["return"] / _or_nan(episodes), "episodes": episodes}
        return means | {name: sums["tracked"][name] / _or_nan(sums["asked"][name]) for name in self.log_metrics} | ended

    def _reset_carry(self, carry: Any, is_first: Array) -> Any:
        """`carry` of each environment, the initial one where an episode is_first."""
        initial = self.network.initialize_carry()
        shape = (*is_first.shape, 1)
        return jax.tree.map(
            lambda old, new: jnp.where(is_first.reshape(*shape, *[1] * (new.ndim - 1)), new, old), carry, initial
        )


def random_order(key: Array, count: int) -> Int[Array, " count"]:
    """0 ... `count` - 1 in random order.

    `jax.random.permutation` sorts pairs, twice, which shows where a small network learns on a CPU. From 2^10 to 2^16,
    one sort of random bits with the index below them does: at least 16 bits are random, and where they are equal the
    lower index is first, so that of two indices the lower is before the other with probability 1/2 + 2^-17 at most.
    Fewer are sorted in no time, and of more too few bits would be left.
    """
    if not 2**10 <= count <= 2**16:
        return jax.random.permutation(key, count)
    low = jnp.uint32(2 ** (count - 1).bit_length() - 1)
    drawn = jax.random.bits(key, (count,), jnp.uint32) & ~low
    return (jax.lax.sort(drawn | jnp.arange(count, dtype=jnp.uint32), is_stable=False) & low).astype(jnp.int32)


def _or_nan(count: Array) -> Array:
    """A count to divide by: NaN in place of 0."""
    return jnp.where(count > 0, count, jnp.nan)


def _weight(obs: Any, like: Array) -> Array:
    """float, as `like`: 1 where an action is asked for, else 0."""
    requested = field_of(obs, "requested", None)
    return jnp.ones_like(like) if requested is None else requested.astype(like.dtype)
