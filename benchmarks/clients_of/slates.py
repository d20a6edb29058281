"""A small society that is served slates, for clients to meet a choice of several items."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import jaxrec

SPACE = jaxrec.Slate(4, 2)  # ordered slates of two of the items 0 ... 3
PULL = jnp.array([1.0, 0.5, 0.8, 0.2])  # how much each item attracts, as a logit
WORTH = jnp.array([0.2, 0.4, 1.0, 0.6])  # what a choice of it pays


class ReaderState(jaxrec.EnvState):
    """The item that was chosen last, 0 at first, and how much a reader is used to each: float[4] in [0, 1]."""

    chosen: Array
    used: Array


@dataclasses.dataclass(unsafe_hash=True)
class Readers(jaxrec.Environment[ReaderState, jaxrec.EnvParams]):
    """A reader chooses one item of a slate of two, by a softmax over their pulls, and wants it less from then on."""

    horizon: int = 10
    reward: Any = "engagement"
    preferences = ("used",)

    @property
    def default_params(self) -> jaxrec.EnvParams:
        """`influence` 1."""
        return jaxrec.EnvParams()

    @property
    def fixed_horizon(self) -> int:
        """Steps of an episode."""
        return self.horizon

    def reset_env(self, key: Array, params: jaxrec.EnvParams) -> tuple[Array, ReaderState]:
        """Begins with a reader who is used to nothing."""
        state = ReaderState(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), jnp.zeros(4))
        return self.observe(state, params), state

    def transition(
        self, key: Array, state: ReaderState, action: Array, params: jaxrec.EnvParams
    ) -> tuple[ReaderState, Array]:
        """Draws the choice."""
        chosen = action[jax.random.categorical(key, (PULL - 4 * state.used)[action])]
        used = jnp.clip(state.used / 2 + params.influence * jax.nn.one_hot(chosen, 4) / 2, 0, 1)
        after = ReaderState(state.time + 1, chosen, used)
        return after, after.time >= self.horizon

    def observe(self, state: ReaderState, params: jaxrec.EnvParams) -> Array:
        """float[4], one for the item that was chosen last, and 0 for all before the first choice."""
        return jax.nn.one_hot(state.chosen, 4) * (state.time > 0)

    def utilities(
        self, state: ReaderState, action: Array, next_state: ReaderState, params: jaxrec.EnvParams
    ) -> jaxrec.Utilities:
        """What the choice is worth, the same to all."""
        worth = WORTH[next_state.chosen]
        return jaxrec.Utilities(worth, worth, worth)

    def metrics(
        self, state: ReaderState, action: Array, next_state: ReaderState, params: jaxrec.EnvParams
    ) -> dict[str, Array]:
        """The item that was chosen."""
        return {"chosen": next_state.chosen}

    def action_space(self, params: jaxrec.EnvParams | None = None) -> jaxrec.Slate:
        """Slates of two items."""
        return SPACE

    def observation_space(self, params: jaxrec.EnvParams | None = None) -> jaxrec.Box:
        """One number an item."""
        return jaxrec.Box(0, 1, (4,))

    def render(self, trajectory: Any, params: jaxrec.EnvParams | None = None) -> Any:
        """Draws how used a reader is to each item, a row an item: a matplotlib `Figure`."""
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        figure.subplots().imshow(trajectory.next_state.used.T, aspect="auto")
        return figure
