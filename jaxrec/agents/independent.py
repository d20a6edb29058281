"""Several learners in one environment, trained together: each by its own network, rewards and values.

Independent learning (Tan 1993, "Multi-Agent Reinforcement Learning: Independent vs. Cooperative Agents"): to each, the
others are part of the environment. Learners act in turn. To a learner a step on another's turn is one that asks for
nothing: it counts for its values and has no weight in its policy loss.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.core import Tracer
from jaxtyping import PyTree

from jaxrec import checks, sums, vectorized
from jaxrec.agents import collection, on_policy
from jaxrec.agents.network_policy import NetworkPolicy
from jaxrec.agents.on_policy import Batch, Count, PPOState
from jaxrec.agents.ppo import PPO
from jaxrec.environment import Environment
from jaxrec.runtime.jit_by_class import jit
from jaxrec.utilities import paid


@runtime_checkable
class SharedEnvironment(Protocol):
    """What `IndependentPPO` asks of an environment, beyond `Environment`; `RewiringMarket` has it."""

    learners: int

    def seated(self, learner: int) -> Any:
        """Gives the environment as one learner sees it: its observations, and the rewards paid to it."""
        ...

    def turn(self, state: Any) -> Array:
        """Gives int32[], the learner whose action is read in this state."""
        ...


class ByTurn(struct.PyTreeNode):
    """A policy for each learner, of which the one acts whose turn the observation says it is (`obs.turn`).

    Attributes:
        policies: one for each learner, in order.
    """

    policies: tuple[Any, ...]

    def init(self, key: Array) -> tuple[PyTree, ...]:
        """Gives the carries at the start of an episode."""
        return tuple(policy.init(key) for policy in self.policies)

    def act(self, carry: tuple[PyTree, ...], obs: Any, key: Array) -> tuple[Array, tuple[PyTree, ...]]:
        """Takes the action of the learner whose turn it is: (int32[] action, carries).

        Args:
            carry: of each policy.
            obs: of the learner whose turn it is.
            key: a typed key.
        """
        acted = [policy.act(each, obs, key) for policy, each in zip(self.policies, carry, strict=True)]
        return jnp.stack([action for action, _ in acted])[obs.turn], tuple(each for _, each in acted)


class IndependentPPO(checks.KnownKeywords, struct.PyTreeNode):
    """PPO for each of several learners of one environment, all in one scan.

    A state is a tuple of `PPOState`, one for each learner; the first holds the reset pool.

    Attributes:
        env: the environment that they share.
        agents: PPO for each learner, in the view of its seat (`env.seated`), whose reward may be another; with the same
            numbers of environments, steps and updates, and networks without memory.
    """

    env: Environment = struct.field(pytree_node=False)
    agents: tuple[PPO, ...]

    def __post_init__(self) -> None:
        learners = getattr(self.env, "learners", 1)
        if learners < 2 or not isinstance(self.env, SharedEnvironment):
            raise checks.InputError(f"env must have several learners, got {checks.brief(self.env)} with {learners}")
        if len(self.agents) != learners:
            raise checks.InputError(f"agents must be one for each of {learners} learners, got {len(self.agents)}")
        sizes = [(one.num_envs, one.num_steps, one.num_updates) for one in self.agents]
        if len(set(sizes)) > 1:
            raise checks.InputError(f"agents must agree in num_envs, num_steps and num_updates, got {sizes}")
        for learner, one in enumerate(self.agents):
            seat = self.env.seated(learner)
            if dataclasses.replace(one.env, reward=seat.reward) != seat:  # type: ignore[type-var]
                raise checks.InputError(f"agents[{learner}].env must be env.seated({learner}), got {one.env!r}")
            if one.network.is_recurrent:
                raise checks.InputError(f"agents[{learner}].network must have no memory, got {one.network!r}")

    def check(self) -> None:
        """Raises InputError for a concrete hyper-parameter out of range."""
        for one in self.agents:
            one.check()

    @property
    def num_updates(self) -> int:
        """Batches of a whole training."""
        return self.agents[0].num_updates

    @property
    def num_envs(self) -> int:
        """Environments in parallel, which the learners share."""
        return self.agents[0].num_envs

    @property
    def num_steps(self) -> int:
        """Steps of each environment in a batch."""
        return self.agents[0].num_steps

    @property
    def sparse(self) -> tuple[str, ...]:
        """The metrics that are NaN in a chunk that has no such value."""
        named = [f"{name}_{learner}" for learner, one in enumerate(self.agents) for name in one.sparse]
        return ("episode_return", *named)

    def init(self, key: Array, params: PyTree, network_params: Sequence[PyTree] | None = None) -> tuple[PPOState, ...]:
        """Gives the start of a training.

        Args:
            key: a typed key; the first learner draws what PPO alone would draw.
            params: run-time values of the environment.
            network_params: weights of each learner to start from; drawn if None.

        Raises:
            InputError: for concrete hyper-parameters out of range, and for the weights of one network given to two.
        """
        given = [None] * len(self.agents) if network_params is None else list(network_params)
        if len(given) != len(self.agents):
            raise checks.InputError(f"network_params must be one for each learner, got {len(given)}")
        for i, j in itertools.combinations(range(len(given)), 2):
            if given[i] is not None and _same(given[i], given[j]):
                raise checks.InputError(f"learners must have networks of their own, got equal weights for {i} and {j}")
        first = self.agents[0].init(key, params, given[0])
        states = [first]
        for learner, one in enumerate(self.agents[1:], 1):
            state = one.init(jax.random.fold_in(key, learner), params, given[learner])
            obs = vectorized.observe(one.env, first.env_state, params)
            states.append(state.replace(env_state=first.env_state, obs=obs, reset_pool=None))
        return tuple(states)

    def train(self, key: Array, params: PyTree) -> tuple[tuple[PPOState, ...], dict[str, Array]]:
        """A whole training, jittable: the final states, and the means of metrics over it."""
        return self.advance(self.init(key, params), params, 0, self.num_updates)

    def advance(
        self, state: tuple[PPOState, ...], params: PyTree, first: Count, last: Count
    ) -> tuple[tuple[PPOState, ...], dict[str, Array]]:
        """Learns from batches `first` ... `last` - 1, jittable: gives the states, and the means of their metrics.

        Args:
            state: of each learner after the batches before.
            params: run-time values of the environment.
            first: the first batch.
            last: the batch after the last, larger than `first`.

        Returns:
            The states; and metrics, each with the number of its learner, with means over learners of `reward` and
            `episode_return`.
        """
        state, totals = sums.loop(lambda batch, state: self._batch(state, params, batch), state, first, last)
        each = [on_policy.summary(one, last - first) for one in totals]
        metrics = {f"{name}_{i}": value for i, one in enumerate(each) for name, value in one.items()}
        together = {name: jnp.stack([one[name] for one in each]).mean() for name in ("reward", "episode_return")}
        return state, metrics | together

    def experience(self, state: tuple[PPOState, ...], params: PyTree, batch: Count = 0) -> tuple[Batch, ...]:
        """Gives what the next batch after `state` will be learned from, by learner.

        Args:
            state: of the training.
            params: run-time values of the environment.
            batch: its number; 0 after `init`.
        """
        return tuple(batch for _, batch, _ in self._collect(state, params, batch, jax.random.split(state[0].key, 3)[1]))

    def policy(self, state: tuple[PPOState, ...], greedy: bool = True) -> ByTurn:
        """What was learned so far: on each turn the likeliest action, or one drawn as in training."""
        policies = [NetworkPolicy(one.network_params, agent.network, greedy) for agent, one in self._pairs(state)]
        return ByTurn(tuple(policies))

    def _pairs(self, states: Sequence[Any]) -> list[tuple[PPO, Any]]:
        """Each learner with its part of `states`."""
        return list(zip(self.agents, states, strict=True))

    def _batch(
        self, states: tuple[PPOState, ...], params: PyTree, batch: Count
    ) -> tuple[tuple[PPOState, ...], tuple[dict[str, Array], ...]]:
        """One batch collected and learned from, and sums of metrics."""
        key, key_collect, key_learn = jax.random.split(states[0].key, 3)
        states = (states[0].replace(key=key), *states[1:])
        progress = jnp.asarray(batch / self.num_updates, float)
        learned = []
        for i, (agent, one) in enumerate(self._pairs(self._collect(states, params, batch, key_collect))):
            state, collected, metrics = one
            state, changes = agent.learn(state, collected, progress, _own(key_learn, i))
            learned.append((state, metrics | changes))
        states, metrics = zip(*learned, strict=True)
        return states, metrics

    @jit()  # traced once for `experience` and `advance`
    def _collect(
        self, states: tuple[PPOState, ...], params: PyTree, update: Count, key: Array
    ) -> list[tuple[PPOState, Batch, dict[str, Array]]]:
        """`num_steps` steps of every environment: each learner's state, batch with advantages, and sums of metrics."""

        def body(states: tuple[PPOState, ...], inputs: tuple[Array, Array]) -> tuple[tuple[PPOState, ...], PyTree]:
            key_act, key_step, key_reset = inputs[1]
            first = states[0]
            pairs = self._pairs(states)
            choices = [collection.choose(*pair, _own(key_act, i)) for i, pair in enumerate(pairs)]
            turn = jax.vmap(self.env.turn)(first.env_state)  # type: ignore[attr-defined]
            action = jnp.stack([choice.action for choice in choices])[turn, jnp.arange(turn.shape[0])]
            step = vectorized.step(self.env, key_step, first.env_state, first.obs, action, params)
            _, env_state = vectorized.auto_reset(self.env, key_reset, step, params, first.reset_pool)
            after, noted = [], []
            for (agent, state), choice in zip(pairs, choices, strict=True):
                seen = self._seen(agent, state, step, params)
                noted.append(collection.record(agent, state, choice, seen, params))
                obs = vectorized.observe(agent.env, env_state, params)
                after.append(collection.moved(state, choice, seen, obs, env_state))
            return tuple(after), tuple(noted)

        def restart(states: tuple[PPOState, ...], inputs: tuple[Array, Array]) -> tuple[PPOState, ...]:
            time, keys = inputs
            _, begun = vectorized.begin_together(self.env, keys[2], (None, states[0].env_state), params, time)
            return tuple(
                state.replace(env_state=begun, obs=vectorized.observe(agent.env, begun, params))
                for agent, state in self._pairs(states)
            )

        inputs = vectorized.clock(update * self.num_steps, self.num_steps, key, 3)
        states, noted = vectorized.scan(self.env, body, restart, states, inputs)
        return [collection.judge(*pair, *one) for pair, one in zip(self._pairs(states), noted, strict=True)]

    def _seen(self, agent: PPO, state: PPOState, step: vectorized.Step, params: PyTree) -> vectorized.Step:
        """A step as one learner sees it: its own observations and rewards."""

        def reward(state: PyTree, action: PyTree, next_state: PyTree) -> Array:
            components = agent.env.reward_components(state, action, next_state, params)
            return paid(agent.env.reward, components, params.reward_weights)

        return step.replace(
            obs=state.obs,
            next_obs=vectorized.observe(agent.env, step.next_state, params),
            reward=jax.vmap(reward)(step.state, step.action, step.next_state),
        )


def _own(key: Array, learner: int) -> Array:
    """The key of a learner: the first has the one that PPO alone would have."""
    return jax.random.fold_in(key, learner) if learner else key


def _same(one: PyTree, other: PyTree) -> bool:
    """Whether two sets of weights are equal, as far as they are concrete."""
    if one is other:
        return True
    pairs = list(zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=False))
    if any(isinstance(leaf, Tracer) for pair in pairs for leaf in pair):
        return all(a is b for a, b in pairs)
    return all(np.shape(a) == np.shape(b) and bool(np.all(np.asarray(a) == np.asarray(b))) for a, b in pairs)
