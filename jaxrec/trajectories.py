"""Every step of a rollout, and the whole episodes in them."""

from types import EllipsisType
from typing import Any, SupportsIndex

import jax
import numpy as np
from flax import struct
from jax.typing import ArrayLike
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.course import draw_course
from jaxrec.utilities import Leaf

Index = SupportsIndex | slice | EllipsisType | ArrayLike | None

FURTHER = ("next_obs", "metrics")
"""Fields of a trajectory that are there where they are asked for."""


class Trajectory(struct.PyTreeNode):
    """All steps of a rollout; every leaf is [num_steps, num_envs, ...] (`trajectory[:, i]` is one environment).

    Attributes:
        state, obs: those that the recommender acted in.
        action, reward: its action, and the reward of the step (float).
        next_state: the state after the step, before any reset.
        done: bool, whether the episode ended with this step, either way.
        terminated, truncated: bool, whether it ended by the rules of the game, and whether it was cut off.
        next_obs: the observation after the step, before any reset: at the end of an episode the true last one. None
            unless it was asked for.
        metrics: measure -> float, those of `Rollout`; a sparse one is NaN where the step has none. None unless asked.
    """

    state: PyTree
    obs: PyTree
    action: PyTree
    reward: Leaf
    next_state: PyTree
    done: Leaf
    terminated: PyTree = None
    truncated: PyTree = None
    next_obs: PyTree = None
    metrics: dict[str, Any] | None = None

    def __getitem__(self, index: Index | tuple[Index, ...]) -> "Trajectory":
        return jax.tree.map(lambda leaf: leaf[index], self)

    def _repr_png_(self) -> bytes | None:
        """The picture that a notebook shows for one environment; None, and so text, for many and for traced values.

        A cell never fails for its picture: whatever cannot be drawn is shown as text. `env.render` knows the society.
        """
        try:
            host = jax.device_get(self)
            if np.ndim(host.done) != 1:
                return None
            quantities = {"reward": host.reward, "action": host.action, **(host.metrics or {})}
            course = {name: np.asarray(values) for name, values in quantities.items() if np.ndim(values) == 1}
            return draw_course(course, np.asarray(host.done))
        except Exception:
            return None


@checks.known_keywords
def episodes(trajectory: Trajectory) -> list[Trajectory]:
    """Cuts a trajectory into its whole episodes.

        played = jaxrec.rollout(env, policy, key, num_envs, num_steps, trajectory=("next_obs", "metrics"))
        for episode in jaxrec.episodes(played.trajectory): ...

    Args:
        trajectory: leaves [num_steps, num_envs, ...], as `rollout` gives it, or of one environment [num_steps, ...].

    Returns:
        Episodes, NumPy leaves [length, ...]; environment after environment, in the order of time. What has no end is
        left out, and so is what has no beginning: its first state is later than time 0.

    Raises:
        InputError: for what is no trajectory of steps in a row.
    """
    if not isinstance(trajectory, Trajectory) or np.ndim(trajectory.done) not in (1, 2):
        raise checks.InputError(
            f"trajectory must be a Trajectory, leaves [num_steps, num_envs, ...], got {checks.brief(trajectory)}"
        )
    host = jax.device_get(trajectory)
    if np.ndim(host.done) == 1:
        host = jax.tree.map(lambda leaf: leaf[:, None], host)
    found = []
    for i in range(host.done.shape[1]):
        last = np.flatnonzero(host.done[:, i])
        first = np.concatenate([[0], last + 1]).astype(int)
        found += [host[begin : end + 1, i] for begin, end in zip(first, last, strict=False)]
    return [each for each in found if _begins(each)]


def _begins(episode: Trajectory) -> bool:
    """Tells whether the first step is the first of an episode; true if states have no time."""
    return not hasattr(episode.state, "time") or int(episode.state.time[0]) == 0


def further(names: object) -> tuple[str, ...] | None:
    """Gives the further fields that a rollout keeps, or None where it keeps no steps at all.

    Args:
        names: True or False, or names in `FURTHER`.

    Raises:
        InputError: for another value, an unknown name, and one that stands twice.
    """
    if isinstance(names, bool | np.bool_):
        return () if names else None
    if not isinstance(names, list | tuple) or not names:
        raise checks.InputError(f"trajectory must be True, False, or names in {FURTHER}, got {names!r}")
    checks.distinct("trajectory", names)
    for name in names:
        checks.lookup(dict.fromkeys(FURTHER), name, "field of a trajectory")
    return tuple(names)
