"""What the constructor of `RewiringGame` refuses, as far as arguments depend on each other."""

from jaxrec import checks
from jaxrec.envs.rewiring.games import PAIRWISE
from jaxrec.envs.rewiring.graph import draws
from jaxrec.envs.rewiring.meetings import MAX_USERS
from jaxrec.envs.rewiring.rules import Rules

MAX_KERNEL_WAIT = 64
"""A kernel takes the random numbers of so many time-steps at most, for all are drawn before it plays."""


def check_graph(users: int, degree: int, graph: str, rules: Rules) -> None:
    """Raises InputError unless such graphs can be drawn, and the rules hold for them.

    Args:
        users: N.
        degree: k, the mean number of neighbours.
        graph: "regular" or "uniform".
        rules: which game.
    """
    checks.lookup(dict.fromkeys(("regular", "uniform")), graph, "graph")
    if users > MAX_USERS:
        raise checks.InputError(f"num_users must be at most {MAX_USERS}, got {users}")
    if degree >= users:
        raise checks.InputError(f"degree must be below num_users={users}, got {degree}")
    if users * degree % 2:
        raise checks.InputError(f"num_users * degree must be even, got {users} * {degree}")
    if rules.unfocused >= users:
        raise checks.InputError(f"rules.unfocused must be below num_users={users}, got {rules.unfocused}")
    if rules.pair == "edge" and users * degree // 2 > draws.MAX_CHOICES:
        most = f"there may be {draws.MAX_CHOICES}"
        raise checks.InputError(f"rules={rules.name!r} draws ties: {most}, got {users * degree // 2}")


def check_engine(engine: str, rules: Rules, observe_as: str, max_wait: int) -> None:
    """Raises InputError for an unknown engine, and for a game that the kernel does not play.

    Args:
        engine: "xla" or "pallas".
        rules: with the game.
        observe_as: "dense" or "graphs_tuple".
        max_wait: time-steps of a step, at most.
    """
    checks.lookup(dict.fromkeys(("xla", "pallas")), engine, "engine")
    if engine == "pallas" and (rules.game != PAIRWISE or observe_as != "dense"):
        raise checks.InputError(
            f"engine 'pallas' plays games of two players, observed as 'dense', got {rules.game}, {observe_as!r}"
        )
    if engine == "pallas" and max_wait > MAX_KERNEL_WAIT:
        raise checks.InputError(f"max_wait of engine 'pallas' is at most {MAX_KERNEL_WAIT} time-steps, got {max_wait}")
