"""Settings in tables: those of an algorithm stand in a table of their own, and are named "ppo.gamma" here."""

import dataclasses
import typing


def nested(flat):
    """{"ppo.gamma": 1, "seed": 0} as {"ppo": {"gamma": 1}, "seed": 0}."""
    tables = {}
    for name, value in flat.items():
        table, _, setting = name.rpartition(".")
        (tables.setdefault(table, {}) if table else tables)[setting] = value
    return tables


def leaves(kind):
    """(name, annotation) of every setting of a class of settings, and of the classes in it."""
    for name, annotation in (
        (field.name, typing.get_type_hints(kind)[field.name]) for field in dataclasses.fields(kind)
    ):
        if dataclasses.is_dataclass(annotation):
            yield from ((f"{name}.{inner}", of) for inner, of in leaves(annotation))
        else:
            yield name, annotation
