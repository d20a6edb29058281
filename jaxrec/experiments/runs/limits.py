"""How long a training may be, in the words of a study's settings: an agent would refuse it by another name, later."""

from jaxrec import checks


def check_training(name: str, given: int, steps: int, num_envs: int, num_steps: int, most: int | None = None) -> None:
    """Raises InputError for a training that is longer than agents count.

    Args:
        name: the setting that says how long it is.
        given: its value.
        steps: what that comes to, over all environments.
        num_envs: environments in parallel, a setting.
        num_steps: steps of each in a batch, a setting.
        most: steps over all environments that the agent counts; None for any number. Those of each environment are
            counted by int32.
    """
    batches = -(-steps // (num_envs * num_steps))
    for limit, of_batch, where in (
        (most, num_envs * num_steps, "over all environments"),
        (checks.MOST_STEPS, num_steps, "of each environment"),
    ):
        if limit is not None and batches * of_batch > limit:
            raise checks.InputError(
                f"{name} must come to at most {limit:,} steps {where}, got {given:,}, which comes to "
                f"{batches * of_batch:,} in whole batches of num_envs={num_envs:,} times num_steps={num_steps:,}"
            )
