"""`jax.jit` for functions of PyTrees whose classes the caller chooses: policies and agents."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")


def jit(static_argnames: str | Sequence[str] = (), **options: object) -> Callable[[Callable[P, R]], "Jitted[P, R]"]:
    """Decorates like `jax.jit(static_argnames=..., **options)`, but compiles again for arguments of other classes.

    jaxlib 0.10.0 to 0.10.2 (0.9.2 does not) take two structures for equal that differ in nothing but the class of a
    registered dataclass, as those of `flax.struct` are. Their hashes differ, so that `jax.jit` mostly keeps them apart;
    now and then (20 of 1500 pairs with 0.10.2 on a CPU) it silently runs what it compiled for the other class, another
    policy. Here the classes are a static argument.
    """
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    return lambda function: Jitted(function, names, options)


class Jitted(Generic[P, R]):
    """A function with a compiled program for each structure of classes within its arguments.

    Attributes:
        compiled: the function under `jax.jit`, with those classes as a further static argument.
    """

    def __init__(self, function: Callable[P, R], static_argnames: tuple[str, ...], options: dict[str, Any]):
        """Makes the function ready to be compiled.

        Args:
            function: the function.
            static_argnames: the names of its static arguments.
            options: of `jax.jit`.
        """

        def told_apart(*args: Any, _classes: tuple[type, ...], **kwargs: Any) -> R:
            return function(*args, **kwargs)

        signature = inspect.signature(function)
        classes = inspect.Parameter("_classes", inspect.Parameter.KEYWORD_ONLY)
        told_apart.__signature__ = signature.replace(parameters=[*signature.parameters.values(), classes])
        told_apart.__name__ = told_apart.__qualname__ = function.__name__
        functools.update_wrapper(self, function)
        self.compiled = jax.jit(told_apart, static_argnames=(*static_argnames, "_classes"), **options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function."""
        return self.compiled(*args, **kwargs, _classes=_classes(args, kwargs))

    def __get__(self, instance: Any, owner: type) -> Any:
        """Binds a method, whose `self` is a PyTree."""
        return self if instance is None else functools.partial(self, instance)

    def eval_shape(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Gives the result of a call as `jax.ShapeDtypeStruct`, without running it."""
        return self.compiled.eval_shape(*args, **kwargs, _classes=_classes(args, kwargs))


def _classes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[type, ...]:
    """Lists the classes of all nodes, from the root on."""
    return tuple(_of_nodes(jax.tree.structure((args, kwargs))))


def _of_nodes(structure: Any) -> Iterator[type]:
    node = structure.node_data()
    if node is not None:
        yield node[0]
        for child in structure.children():
            yield from _of_nodes(child)
