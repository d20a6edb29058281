"""Which outputs of a program can depend on which inputs: an upper bound, read off its jaxpr without running it."""

from collections.abc import Callable, Sequence

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import PyTree

Reads = frozenset[int]
"""Leaves of the arguments, by their index."""

CALLS = {
    "jit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
"""Primitives that run one program on all their operands, and the parameter that holds it."""


def reads(function: Callable[..., PyTree], *args: PyTree) -> list[Reads]:
    """Finds what each output of a traceable function can depend on.

    Operations on which an output does not depend do not count, also where they run in the same loop or branch. An
    unknown operation, such as a kernel, counts as if each of its results read all its operands.

    Args:
        function: what is traced.
        *args: arrays or shapes, in PyTrees.

    Returns:
        For each leaf of the result, the indices of the leaves of `args` that it can depend on.
    """
    closed = jax.make_jaxpr(function)(*args)
    return _through(closed.jaxpr, [frozenset({index}) for index in range(len(closed.jaxpr.invars))])


def _through(jaxpr: Jaxpr, given: Sequence[Reads]) -> list[Reads]:
    """Follows what `given` says of the inputs of a program through its operations to its outputs."""
    known: dict[object, Reads] = dict(zip(jaxpr.invars, given, strict=True))

    def of(atom: object) -> Reads:
        return frozenset() if isinstance(atom, Literal) else known.get(atom, frozenset())  # a constant reads nothing

    for equation in jaxpr.eqns:
        results = _operation(equation, [of(atom) for atom in equation.invars])
        known.update(zip(equation.outvars, results, strict=True))
    return [of(atom) for atom in jaxpr.outvars]


def _operation(equation: JaxprEqn, given: list[Reads]) -> list[Reads]:
    name = equation.primitive.name
    if name in CALLS:
        return _through(_opened(equation.params[CALLS[name]]), given)
    if name == "cond":
        results = [_through(_opened(branch), given[1:]) for branch in equation.params["branches"]]
        return [given[0].union(*each) for each in zip(*results, strict=True)]
    if name == "scan":
        return _scan(equation, given)
    if name == "while":
        return _while(equation, given)
    if name == "optimization_barrier":
        return given
    return [frozenset().union(*given)] * len(equation.outvars)


def _scan(equation: JaxprEqn, given: list[Reads]) -> list[Reads]:
    """Repeats the body until what the carry depends on grows no more."""
    body, first = _opened(equation.params["jaxpr"]), equation.params["num_consts"]
    count = equation.params["num_carry"]
    constants, carry, xs = given[:first], given[first : first + count], given[first + count :]
    while True:
        results = _through(body, [*constants, *carry, *xs])
        grown = [before | after for before, after in zip(carry, results, strict=False)]
        if grown == carry:
            return [*carry, *results[count:]]
        carry = grown


def _while(equation: JaxprEqn, given: list[Reads]) -> list[Reads]:
    """Repeats body and condition, which decides on the whole carry: JAX takes out what a loop does not change."""
    params = equation.params
    condition, body = _opened(params["cond_jaxpr"]), _opened(params["body_jaxpr"])
    of_condition, of_body = params["cond_nconsts"], params["body_nconsts"]
    tested, constants = given[:of_condition], given[of_condition : of_condition + of_body]
    carry = given[of_condition + of_body :]
    while True:
        (goes_on,) = _through(condition, [*tested, *carry])
        results = _through(body, [*constants, *carry])
        grown = [before | after | goes_on for before, after in zip(carry, results, strict=True)]
        if grown == carry:
            return carry
        carry = grown


def _opened(jaxpr: Jaxpr | ClosedJaxpr) -> Jaxpr:
    """A program without the values of its constants."""
    return jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr
