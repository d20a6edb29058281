"""Measures the code of jaxrec by its syntax: `python tests/system/structure.py [--root ANOTHER_CHECKOUT]`."""

import argparse
import ast
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
MIN_DOCUMENTED_ARGUMENTS = 3
BAD_OPENINGS = ("As", "That of", "Those of", "See", "Likewise")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Share:
    """How many of a kind have a property."""

    count: int = 0
    total: int = 0

    def add(self, holds):
        self.count += bool(holds)
        self.total += 1

    def __str__(self):
        return f"{self.count} of {self.total} ({100 * self.count / max(self.total, 1):.1f} %)"


@dataclass
class Structure:
    """What is counted; places are texts `file:line name`, relative to the root."""

    any_parameters: Share = field(default_factory=Share)
    any_fields: Share = field(default_factory=Share)
    with_args_section: Share = field(default_factory=Share)
    long_files: list[str] = field(default_factory=list)
    long_functions: list[str] = field(default_factory=list)
    without_args_section: list[str] = field(default_factory=list)
    contract_exceptions: list[str] = field(default_factory=list)
    bad_docstrings: list[str] = field(default_factory=list)


def measure(root):
    """The structure of `root`/jaxrec and of the contracts in `root`/pyproject.toml."""
    found = Structure(contract_exceptions=exceptions(root))
    for path in sorted((root / "jaxrec").rglob("*.py")):
        text, place = path.read_text(encoding="utf-8"), str(path.relative_to(root))
        lines = len(text.splitlines())
        if lines > MAX_FILE_LINES:
            found.long_files.append(f"{place} ({lines} lines)")
        tree = ast.parse(text)
        measure_docstring(tree, f"{place}:1", found)
        visit(tree, place, found, public=not path.name.startswith("_") or path.name == "__init__.py")
    return found


def exceptions(root):
    """What the import linter is told to overlook: its `ignore_imports`, each as a text."""
    with (root / "pyproject.toml").open("rb") as file:
        linter = tomllib.load(file).get("tool", {}).get("importlinter", {})
    return [
        f"{contract.get('name', '')}: {ignored}"
        for contract in linter.get("contracts", [])
        for ignored in contract.get("ignore_imports", [])
    ]


def visit(node, place, found, public, in_class=False):
    """Counts all that is defined below a node; nothing within a function is public."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS):
            where = f"{place}:{child.lineno} {child.name}"
            measure_function(child, where, found, public and is_public(child.name), in_class)
            visit(child, place, found, public=False)
        elif isinstance(child, ast.ClassDef):
            measure_docstring(child, f"{place}:{child.lineno} {child.name}", found)
            for statement in child.body:
                if isinstance(statement, ast.AnnAssign) and not is_class_variable(statement.annotation):
                    found.any_fields.add(is_any(statement.annotation))
            visit(child, place, found, public and not child.name.startswith("_"), in_class=True)
        else:
            visit(child, place, found, public, in_class)


def measure_function(function, where, found, public, in_class):
    """Counts the parameters, the lines and the documentation of one function."""
    arguments = function.args
    own = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    if in_class and own and not any(ast.unparse(each) == "staticmethod" for each in function.decorator_list):
        own = own[1:]  # self or cls
    every = [*own, *(each for each in (arguments.vararg, arguments.kwarg) if each)]
    for argument in every:
        found.any_parameters.add(argument.annotation is not None and is_any(argument.annotation))
    lines = function.end_lineno - function.lineno + 1
    if lines > MAX_FUNCTION_LINES:
        found.long_functions.append(f"{where} ({lines} lines)")
    measure_docstring(function, where, found)
    stub = any(ast.unparse(each) == "overload" for each in function.decorator_list)
    if public and not stub and len(every) >= MIN_DOCUMENTED_ARGUMENTS:
        documented = "Args:" in (ast.get_docstring(function) or "")
        found.with_args_section.add(documented)
        if not documented:
            found.without_args_section.append(where)


def measure_docstring(node, where, found):
    """Notes a docstring that says what something else does."""
    first = (ast.get_docstring(node) or "").partition("\n")[0]
    if any(first == opening or first.startswith((f"{opening} ", f"{opening},")) for opening in BAD_OPENINGS):
        found.bad_docstrings.append(f"{where}: {first}")


def is_public(name):
    return not name.startswith("_") or name in ("__init__", "__call__")


def is_any(annotation):
    """Whether the annotation is `Any`, also as a text or as `typing.Any`."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value in ("Any", "typing.Any")
    return ast.unparse(annotation) in ("Any", "typing.Any")


def is_class_variable(annotation):
    return ast.unparse(annotation).partition("[")[0] in ("ClassVar", "typing.ClassVar")


def show(found):
    """Prints the counts, and the places where there are few."""
    print(f"parameters annotated Any: {found.any_parameters}")
    print(f"class fields annotated Any: {found.any_fields}")
    print(f"public callables of {MIN_DOCUMENTED_ARGUMENTS} or more arguments with Args: {found.with_args_section}")
    for title, places in (
        (f"files over {MAX_FILE_LINES} lines", found.long_files),
        (f"functions over {MAX_FUNCTION_LINES} lines", found.long_functions),
        ("exceptions from contracts of imports", found.contract_exceptions),
        (f"docstrings that begin with {', '.join(BAD_OPENINGS)}", found.bad_docstrings),
    ):
        print(f"{title}: {len(places)}")
        for place in places:
            print(f"    {place}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="a checkout of jaxrec")
    parser.add_argument("--undocumented", action="store_true", help="also list what lacks an Args: section")
    given = parser.parse_args()
    found = measure(given.root)
    show(found)
    if given.undocumented:
        print("\n".join(["without Args:", *(f"    {place}" for place in found.without_args_section)]))


if __name__ == "__main__":
    main()
