"""What a picture of one episode begins with: a trajectory of one environment, cut to its first episode."""

from typing import Any

import numpy as np

from jaxrec import checks
from jaxrec.rollouts import Trajectory


def first_episode(trajectory: Any, *names: str) -> Trajectory:
    """The first episode of a trajectory: up to the step that ended it, or all steps where none did.

    Args:
        trajectory: of one environment, leaves [num_steps, ...], as `rollout(..., trajectory=True).trajectory[:, 0]` is.
        *names: what its states must have, to be those of the environment that draws them.

    Raises:
        InputError: as `check_one_environment`.
    """
    check_one_environment(trajectory, *names)
    done = np.asarray(trajectory.done)
    return trajectory[: int(done.argmax()) + 1] if done.any() else trajectory


def check_one_environment(trajectory: Any, *names: str) -> None:
    """Raises InputError unless `trajectory` is one of one environment, with a step or more, and `names` in its states.

    Steps may be left out, but time must go on from each to the next, or an episode have ended: that tells
    `trajectory[0]`, one step of all environments, from `trajectory[:, 0]`.
    """
    if not isinstance(trajectory, Trajectory):
        raise checks.InputError(
            "trajectory must be a Trajectory of one environment, such as rollout(..., trajectory=True)"
            f".trajectory[:, 0]; got {checks.brief(trajectory)}"
        )
    shape = np.shape(trajectory.done)
    if len(shape) != 1 or not _goes_on(trajectory):
        found = f"leaves of shape {list(shape)}" if len(shape) != 1 else "one step of several"
        raise checks.InputError(
            f"trajectory must be of one environment, got {found}: index its environments, such as trajectory[:, 0]"
        )
    if not shape[0]:
        raise checks.InputError("trajectory must have at least one step, got none")
    missing = [name for name in names if not hasattr(trajectory.state, name)]
    if missing:
        raise checks.InputError(
            f"trajectory must be of the environment that draws it, whose states have {', '.join(names)}; got "
            f"{checks.brief(trajectory.state)} without {', '.join(missing)}"
        )


def _goes_on(trajectory: Trajectory) -> bool:
    """Whether time goes on from each step to the next, but where an episode ended; true where states tell no time."""
    if not hasattr(trajectory.state, "time"):
        return True
    done, time = np.asarray(trajectory.done), np.asarray(trajectory.state.time)
    return bool((done[:-1] | (time[1:] > time[:-1])).all())
