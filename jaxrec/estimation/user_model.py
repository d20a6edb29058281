"""A model of users, learned from logs of their slates and choices alone.

Carroll, Dragan, Russell & Hadfield-Menell 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender
Systems", section 4.2 and Appendices C and H.2: each network is trained by the likelihood of observed choices
under its beliefs, through the known choice model. Its own settings are a learning rate of 3e-5, batches of 500, 100
epochs, and bidirectional masks for one number of steps at a time; `LearnUsers` has other settings.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int, PyTree

from jaxrec import checks, random, sums
from jaxrec.agents.losses import SMALLEST_NORM
from jaxrec.envs.learned import LearnedParams, LearnedUsers, inference
from jaxrec.envs.learned.inference import Memory
from jaxrec.envs.preference.dynamics import users_of
from jaxrec.estimation import Logs
from jaxrec.runtime.progress import Meter
from jaxrec.training.loop import fit
from jaxrec.utilities import Leaf

KINDS = ("future", "initial", "counterfactual")

Remembered = tuple[Memory, Array]
"""Logs as a network reads them: memories, with leaves [users, steps, 36], and bool[users, steps], what is valid."""


def _remembered(logs: Logs, params: LearnedParams) -> Remembered:
    """Computes the likelihoods of all choices: once for many updates, of which each would spend a third on them."""
    memories = jax.vmap(inference.remembered, in_axes=(0, 0, None))
    return memories(logs.slates, logs.choices, users_of(params)), jnp.asarray(logs.valid)


class LearningState(struct.PyTreeNode):
    """A training under way.

    Attributes:
        network_params: weights of the network.
        opt_state: optax state.
        best: weights with the lowest validation loss at the end of an epoch.
        best_loss, validation_loss: float[], the lowest, and the last loss; infinite before the first epoch has ended.
        key: typed key of the training.
    """

    network_params: PyTree
    opt_state: PyTree
    best: PyTree
    best_loss: Leaf
    validation_loss: Leaf
    key: Leaf


class LearnUsers(struct.PyTreeNode):
    """Trains one of the three networks of a user model; `jaxrec.training.fit` runs it like an agent.

    One pass gives a loss for every number of earlier steps, since each token attends to earlier steps alone; of a
    bidirectional network (`BeliefTransformer.bidirectional`) all beliefs are those after all steps. The best weights
    are those of the epoch with the lowest loss of choices on validation users.

    Attributes:
        env: the model; its network is trained.
        kind: "future"; "initial"; or "counterfactual", whose conditions come from `params.weights.initial`.
        logs: (leaf) of the users to learn from.
        validation: (leaf) of other users.
        num_epochs: passes over the users, at least 1.
        batch_size: users in an update, at least 1.
        learning_rate: (leaf) of Adam at the start, falling to 0 over the training along a cosine.
        weight_decay: (leaf) of AdamW.
        max_grad_norm: (leaf) gradients are scaled to this global norm where they exceed it.
        ent_coef: (leaf) in training, of the entropy of beliefs: of all beliefs that explain choices about equally
            well, it prefers the least certain. There are many where choices hardly depend on preferences. It is not
            used for initial preferences, which are learned from one choice a user: it would outweigh that choice.
    """

    env: LearnedUsers = struct.field(pytree_node=False)
    kind: Literal["future", "initial", "counterfactual"] = struct.field(pytree_node=False)
    logs: Logs
    validation: Logs
    num_epochs: int = struct.field(pytree_node=False, default=12)
    batch_size: int = struct.field(pytree_node=False, default=125)
    learning_rate: Leaf | float = 2e-3
    weight_decay: Leaf | float = 0.05
    max_grad_norm: Leaf | float = 1.0
    ent_coef: Leaf | float = 0.003
    sparse: ClassVar[tuple[str, ...]] = ("validation_loss",)  # missing until an epoch has ended

    def check(self) -> None:
        """Raises InputError for a setting out of range, or logs that the model cannot take."""
        checks.lookup(dict.fromkeys(KINDS), self.kind, "kind")
        for name in ("num_epochs", "batch_size"):
            checks.positive(name, getattr(self, name))
        for name in ("learning_rate", "weight_decay", "ent_coef"):
            checks.within(name, getattr(self, name), 0.0, checks.LARGEST)
        checks.within("max_grad_norm", self.max_grad_norm, SMALLEST_NORM, float("inf"))
        for name in ("logs", "validation"):
            steps = getattr(self, name).require("slates", "choices", reader="a model of users").num_steps
            if steps != self.env.horizon:
                raise checks.InputError(
                    f"{name} must have horizon={self.env.horizon} steps, got {steps}: use `Logs.padded`"
                )
            if self.env.network.bidirectional and not np.asarray(getattr(self, name).valid).all():
                raise checks.InputError(f"{name} must have all steps of every user: the network reads them all")
        if self.env.network.bidirectional and self.kind != "initial":
            raise checks.InputError(f'kind must be "initial" for a bidirectional network, got {self.kind!r}')
        if self.logs.num_users < self.batch_size:
            raise checks.InputError(f"batch_size must be at most the users in logs, {self.logs.num_users}")

    @property
    def batches_per_epoch(self) -> int:
        """Updates in a pass; each pass leaves out other users, fewer than a batch."""
        return self.logs.num_users // max(self.batch_size, 1)  # `check` refuses 0, and is asked after this

    @property
    def num_updates(self) -> int:
        """Updates of a whole training."""
        return self.num_epochs * self.batches_per_epoch

    def init(self, key: Array, params: LearnedParams) -> LearningState:
        """Begins a training."""
        key, key_network = jax.random.split(key)
        weights = self.env.init_network(key_network)
        unknown = jnp.asarray(jnp.inf, jnp.float32)  # to compute it would compile as long as half of `advance`
        return LearningState(weights, self._optimizer().init(weights), weights, unknown, unknown, key)

    def advance(
        self, state: LearningState, params: LearnedParams, first: Int[Array, ""] | int, last: Int[Array, ""] | int
    ) -> tuple[LearningState, dict[str, Array]]:
        """Makes the updates `first` ... `last` - 1; jittable.

        Args:
            state: of the training.
            params: of the model.
            first: int[], the first update.
            last: int[], the update after the last one.

        Returns:
            (state, the mean loss of training and the last of validation, NaN before the first epoch has ended).
        """
        logs, validation = (_remembered(each, params) for each in (self.logs, self.validation))

        def update(number: Array, state: LearningState) -> tuple[LearningState, Array]:
            return self._update(state, params, logs, validation, number)

        state, loss = sums.loop(update, state, first, last)
        known = jnp.where(last < self.batches_per_epoch, jnp.nan, state.validation_loss)
        return state, {"loss": loss / (last - first), "validation_loss": known}

    def _optimizer(self) -> optax.GradientTransformation:
        schedule = optax.cosine_decay_schedule(1.0, self.num_updates)
        every = optax.chain(
            optax.clip_by_global_norm(jnp.asarray(self.max_grad_norm, jnp.float32)),  # as weights are, also under x64
            optax.scale_by_adam(),
            optax.add_decayed_weights(self.weight_decay),
            optax.scale_by_schedule(lambda count: -self.learning_rate * schedule(count)),
        )
        return optax.flatten(every)  # one vector: each leaf would take kernels of its own

    def _update(
        self, state: LearningState, params: LearnedParams, logs: Remembered, validation: Remembered, batch: Array
    ) -> tuple[LearningState, Array]:
        """One batch; at the end of an epoch, also the validation loss."""
        epoch, within = batch // self.batches_per_epoch, batch % self.batches_per_epoch
        order = random.order(jax.random.fold_in(state.key, epoch), self.logs.num_users)
        users = jax.lax.dynamic_slice(order, (within * self.batch_size,), (self.batch_size,))
        key = jax.random.fold_in(state.key, self.num_epochs + batch)
        chosen = jax.tree.map(lambda leaf: leaf[users], logs)
        loss, gradients = jax.value_and_grad(self._loss)(state.network_params, params, chosen, key, True)
        updates, opt_state = self._optimizer().update(gradients, state.opt_state, state.network_params)
        state = state.replace(network_params=optax.apply_updates(state.network_params, updates), opt_state=opt_state)
        ended = within == self.batches_per_epoch - 1
        return jax.lax.cond(ended, partial(self._validated, params, validation), lambda state: state, state), loss

    def _validated(self, params: LearnedParams, validation: Remembered, state: LearningState) -> LearningState:
        same = jax.random.key(0)  # masks each time
        loss = self._loss(state.network_params, params, validation, same, False).astype(state.best_loss.dtype)
        best = jax.tree.map(partial(jnp.where, loss < state.best_loss), state.network_params, state.best)
        return state.replace(best=best, best_loss=jnp.minimum(loss, state.best_loss), validation_loss=loss)

    def loss(
        self, weights: PyTree, params: LearnedParams, logs: Logs, key: Array, training: bool = False
    ) -> Float[Array, ""]:
        """Computes minus the mean log-likelihood of choices in `logs` under the beliefs.

        The choices are those of every step; for "initial" the first one, from every number of later steps.

        Args:
            weights: of the network.
            params: of the model.
            logs: of `env.horizon` steps.
            key: a typed key, for masks and dropout.
            training: whether to drop out, and to add the entropy of beliefs.

        Returns:
            float[].
        """
        return self._loss(weights, params, _remembered(logs, params), key, training)

    def _loss(
        self, weights: PyTree, params: LearnedParams, logs: Remembered, key: Array, training: bool
    ) -> Float[Array, ""]:
        each = jax.vmap(partial(self._losses, weights, params, training))
        losses, counted = each(*logs, jax.random.split(key, len(logs[1])))
        return losses.sum() / jnp.maximum(counted.sum(), 1)

    def _losses(
        self, weights: PyTree, params: LearnedParams, training: bool, memory: Memory, valid: Array, key: Array
    ) -> tuple[Float[Array, " steps"], Bool[Array, " steps"]]:
        """Gives the loss of each prediction about one user, and whether it counts."""
        network, choice = self.env.network, memory.likelihood
        key_mask, key_drop = jax.random.split(key)
        drop = key_drop if training else None
        if self.kind == "future":
            beliefs = inference.future(network, weights, memory, drop)[:-1]
        elif self.kind == "initial":
            beliefs = inference.initial_from_later(network, weights, memory, drop)[1:]
            choice = jnp.broadcast_to(choice[0], beliefs.shape)
        else:
            belief, known, after = self._masked(params, memory, key_mask)
            beliefs = inference.counterfactual(network, weights, memory, belief, known, drop)[:-1]
            valid = valid & after
        losses = -jax.nn.logsumexp(beliefs + jnp.log(choice), axis=-1)
        if training and self.kind != "initial":
            losses -= self.ent_coef * -(jnp.exp(beliefs) * beliefs).sum(axis=-1)
        return jnp.where(valid, losses, 0), valid

    def _masked(
        self, params: LearnedParams, memory: Memory, key: Array
    ) -> tuple[Float[Array, "36"], Bool[Array, " steps"], Bool[Array, " steps"]]:
        """Masks a counterfactual: the belief given beforehand, the known choices, and the predicted choices.

        The belief in u_0 is made from some number of first steps, whose choices are masked; those of the others are
        predicted, half of the time without any choice. In the paper it is made from all steps, the predicted ones among
        them: the network then learns to read the choices back out of it.
        """
        steps = len(memory.slates)
        key_used, key_known = jax.random.split(key)
        used = jax.random.randint(key_used, (), 0, steps)
        beliefs = inference.initial(self.env.network, params.weights.initial, memory)
        after = jnp.arange(steps) >= used
        return jnp.exp(beliefs[used]), after & jax.random.bernoulli(key_known), after


def learn_users(
    env: LearnedUsers,
    keys: Array,
    params: LearnedParams,
    logs: Logs,
    validation: Logs,
    num_chunks: int = 10,
    meter: Meter | None = None,
    on_metrics: Callable[[str, int, dict[str, np.ndarray]], None] | None = None,
    checkpoints: str | Path | None = None,
    kinds: Sequence[str] = KINDS,
    **settings: Any,
) -> LearnedParams:
    """Trains the networks, one run for each key in one `vmap`: future, initial, then counterfactual.

    Args:
        env: the model.
        keys: typed keys [runs].
        params: with a leading axis of runs on every leaf; the choice models may differ. Its weights are not read.
        logs: of users to learn from; or of those of each run, with a leading axis of runs.
        validation: of other users, with that axis where `logs` have it.
        num_chunks: chunks of each training, at least 1; the host reads metrics after each.
        meter: notified of every chunk.
        on_metrics: called with kind, updates done and each metric of the chunk, float[runs].
        checkpoints: a folder for the states, with a folder of `fit` for each network.
        kinds: of the networks to train; "counterfactual" is trained with the weights of "initial".
        **settings: of `LearnUsers`.

    Returns:
        `params` with the learned weights.

    Raises:
        InputError: for arguments that `LearnUsers.check` or `fit` refuses.
    """
    for kind in kinds:
        checks.lookup(dict.fromkeys(KINDS), kind, "one of kinds")
    read = [own.only("slates", "choices", reader="a model of users").padded(env.horizon) for own in (logs, validation)]
    users = {"logs": read[0], "validation": read[1]}
    swept = users if logs.valid.ndim > 2 else None
    for number, kind in (each for each in enumerate(KINDS) if each[1] in kinds):
        learner = LearnUsers(env, kind, **users, **settings)
        tell = None if on_metrics is None else partial(on_metrics, kind)
        each = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)
        task = f"learning {kind} preferences, {len(keys)} models"
        folder = None if checkpoints is None else Path(checkpoints) / kind
        state = fit(learner, each, params, num_chunks, meter, tell, task, folder, swept=swept)
        params = params.replace(weights=params.weights.replace(**{kind: state.best}))
    return params
