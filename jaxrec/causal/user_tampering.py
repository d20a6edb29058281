"""The diagrams of Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems".

In each, the state S_t is all that the recommender observes, A_t what it recommends, and R_t the reward for what led to
time t. Every function takes `steps`, the number of recommendations, at least 1.
"""

from jaxrec import checks
from jaxrec.causal.diagram import Diagram, Edge


def figure_1(steps: int = 3) -> Diagram:
    """The naive view: the next state follows from state and recommendation, the reward from both states.

    Nothing but states and rewards can be a means here: there is no user.
    """
    return _diagram(steps, _states(steps), _compared(steps))


def figure_2(steps: int = 3) -> Diagram:
    """The user added: theta_t decides, with the state, what the next state is, and recommendations change theta.

    Alice and Bob (section 2) clicked on the same three articles for different reasons: the same states, and other
    chances of a click at the next one.
    """
    return _diagram(steps, _states(steps), _compared(steps), _users(steps))


def figure_3(steps: int = 3) -> Diagram:
    """The user added, and a reward for the state reached alone.

    The path that the paper marks is `control_path(figure_3(), "theta_1", "A_0")`: A_0, theta_1, S_2, R_2.
    """
    return _diagram(steps, _states(steps), _reached(steps), _users(steps))


def appendix_b(steps: int = 3) -> Diagram:
    """A reward on what the state does not hold: O_t is a reaction of the user that pays, and is not observed.

    Its source is the recommendation to the user of the step before. The path to the reward no longer needs a state.
    """
    reactions = [edge for t in range(steps) for edge in ((f"A_{t}", f"O_{t + 1}"), (f"theta_{t}", f"O_{t + 1}"))]
    paid = [(f"O_{t + 1}", f"R_{t + 1}") for t in range(steps)]
    return _diagram(steps, _states(steps), _compared(steps), _users(steps), reactions, paid)


def appendix_c(steps: int = 3, current: bool = False) -> Diagram:
    """Another kind of tampering, with the reward function: its parameters P_t can be changed by what the agent does.

    The path enters at the reward, where it can be cut: an agent that judges all later states by the parameters of now
    has no incentive to change them. The user enters at the state, where no such cut exists.

    Args:
        steps: actions, at least 1.
        current: whether all rewards are judged by P_0, the parameters of the time of planning.

    Returns:
        The diagram.
    """
    changed = [(f"{cause}_{t}", f"P_{t + 1}") for t in range(steps) for cause in ("P", "A")]
    judged = [("P_0" if current else f"P_{t + 1}", f"R_{t + 1}") for t in range(steps)]
    return _diagram(steps, _states(steps), _reached(steps), changed, judged)


def _diagram(steps: int, *parts: list[Edge]) -> Diagram:
    decisions, utilities = [f"A_{t}" for t in range(steps)], [f"R_{t + 1}" for t in range(steps)]
    return Diagram([edge for part in parts for edge in part], decisions, utilities)


def _states(steps: int) -> list[Edge]:
    """States, what is decided in them, and where that leads."""
    checks.positive("steps", steps)
    return [
        edge
        for t in range(steps)
        for edge in ((f"S_{t}", f"A_{t}"), (f"S_{t}", f"S_{t + 1}"), (f"A_{t}", f"S_{t + 1}"))
    ]


def _reached(steps: int) -> list[Edge]:
    """Rewards for the state reached."""
    return [(f"S_{t + 1}", f"R_{t + 1}") for t in range(steps)]


def _compared(steps: int) -> list[Edge]:
    """Rewards for the difference between two states, such as a new click."""
    return [(f"S_{t}", f"R_{t + 1}") for t in range(steps)] + _reached(steps)


def _users(steps: int) -> list[Edge]:
    """The user: what it does to the next state, and what becomes of it."""
    acts = [(f"theta_{t}", f"S_{t + 1}") for t in range(steps)]
    changes = [(f"{cause}_{t}", f"theta_{t + 1}") for t in range(steps - 1) for cause in ("theta", "A")]
    return acts + changes
