"""Why a client and an environment cannot meet."""

from jaxrec import Environment, Slate


class ImpossibleError(Exception):
    """Why a client and an environment cannot meet."""


def refuse_slates(env: Environment, reason: str) -> None:
    """Raises ImpossibleError with the reason where actions are slates."""
    if isinstance(env.action_space(env.default_params), Slate):
        raise ImpossibleError(reason)
