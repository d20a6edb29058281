"""The first episode of a trajectory of one environment: the input of every picture."""

import numpy as np
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.trajectories import Trajectory


def first_episode(trajectory: PyTree, *names: str) -> Trajectory:
    """Cuts a trajectory after the step that ended its first episode; keeps all steps if none did.

    Args:
        trajectory: of one environment, leaves [num_steps, ...], as in `rollout(..., trajectory=True).trajectory[:, 0]`.
        *names: fields that its states must have, to be those of the environment that draws them.

    Returns:
        The trajectory of the first episode.

    Raises:
        InputError: for what `check_one_environment` refuses.
    """
    check_one_environment(trajectory, *names)
    done = np.asarray(trajectory.done)
    return trajectory[: int(done.argmax()) + 1] if done.any() else trajectory


def check_one_environment(trajectory: object, *names: str) -> None:
    """Raises InputError unless `trajectory` is a `Trajectory` of one environment, of at least one step.

    Its states must have the fields `names`. Steps may be left out, but time must increase between steps unless an
    episode ended: that distinguishes `trajectory[0]`, one step of all environments, from `trajectory[:, 0]`.
    """
    if not isinstance(trajectory, Trajectory):
        raise checks.InputError(
            "trajectory must be a Trajectory of one environment, such as rollout(..., trajectory=True)"
            f".trajectory[:, 0]; got {checks.brief(trajectory)}"
        )
    shape = np.shape(trajectory.done)
    if len(shape) != 1 or not _is_ordered(trajectory):
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


def _is_ordered(trajectory: Trajectory) -> bool:
    """Whether time increases between steps, except where an episode ended; true if states have no time."""
    if not hasattr(trajectory.state, "time"):
        return True
    done, time = np.asarray(trajectory.done), np.asarray(trajectory.state.time)
    return bool((done[:-1] | (time[1:] > time[:-1])).all())
