"""The loops of a program that XLA compiled, and how many kernels each iteration launches on a GPU."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# What launches no kernel: names for memory, and what the host does alone.
FREE = frozenset(("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id"))
SHAPE = r"(?:\([^=]*?\)|\S+)"
INSTRUCTION = re.compile(rf"^\s*(?:ROOT )?%?([\w.-]+) = {SHAPE} ([\w-]+)\((.*)$")
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclass
class Loop:
    """A loop, or the whole program around all loops.

    Attributes:
        trips: iterations, None where they are known at run time alone; 1 for the whole program.
        kernels: operation -> how many kernels one iteration launches, without those of the loops in it.
        sometimes: further kernels of an iteration in which each condition takes its longer branch, such as a reset.
        copied: bytes that one iteration copies, without those.
        loops: in it.
    """

    trips: int | None
    kernels: dict[str, int] = field(default_factory=dict)
    sometimes: int = 0
    copied: int = 0
    loops: list["Loop"] = field(default_factory=list)

    @property
    def launched(self) -> int:
        """Kernels in an iteration, without those of the loops in it."""
        return sum(self.kernels.values())

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Loop"]]:
        """Gives each loop with its depth, from the outside."""
        yield depth, self
        for loop in self.loops:
            yield from loop.walk(depth + 1)

    def innermost(self) -> "Loop":
        """The loop that runs most often: of the deepest ones the one that launches most."""
        return max(self.walk(), key=lambda each: (each[0], each[1].launched))[1]


def parse(program: str) -> Loop:
    """Reads the text of a compiled program, `compiled.as_text()`."""
    bodies, entry = _computations(program)
    whole = Loop(1)
    _fill(whole, bodies, entry)
    return whole


def _computations(program: str) -> tuple[dict[str, list[str]], str]:
    """The lines of each computation, and the name of the one that is run."""
    bodies: dict[str, list[str]] = {}
    name = entry = ""
    for line in program.splitlines():
        if begins := re.match(r"^(ENTRY )?%?([\w.-]+) \(.*\{$", line):
            name = begins[2]
            bodies[name], entry = [], name if begins[1] else entry
        elif name and not line.startswith("}"):
            bodies[name].append(line)
    return bodies, entry


def _fill(loop: Loop, bodies: dict[str, list[str]], name: str) -> None:
    """Counts what a computation launches into `loop`; loops in it become loops of their own."""
    for line in bodies[name]:
        found = INSTRUCTION.match(re.sub(r"/\*.*?\*/", "", line))
        if found is None or found[2] in FREE:
            continue
        operation, rest = found[2], found[3]
        if operation == "while":
            trips = TRIPS.search(rest)
            inner = Loop(int(trips[1]) if trips else None)
            _fill(inner, bodies, _called(rest, "body"))
            loop.loops.append(inner)
        elif operation in ("call", "async-start"):
            _fill(loop, bodies, _called(rest, "to_apply" if operation == "call" else "calls"))
        elif operation == "conditional":
            branches = [Loop(1) for _ in _branches(rest)]
            for branch, called in zip(branches, _branches(rest), strict=True):
                _fill(branch, bodies, called)
            fewest, *_, most = sorted(branches, key=lambda branch: branch.launched)
            for kind, count in fewest.kernels.items():
                loop.kernels[kind] = loop.kernels.get(kind, 0) + count
            loop.sometimes += most.launched - fewest.launched
            loop.copied += fewest.copied
            loop.loops += [inner for branch in branches for inner in branch.loops]
        elif not operation.endswith(("-done", "-update")):
            loop.kernels[operation] = loop.kernels.get(operation, 0) + 1
            loop.copied += _bytes(line) if operation.startswith("copy") else 0


def _called(rest: str, role: str) -> str:
    found = re.search(rf"{role}=%?([\w.-]+)", rest)
    assert found is not None, f"no {role} in {rest}"
    return found[1]


def _branches(rest: str) -> list[str]:
    """The computations that a conditional chooses from."""
    if several := re.search(r"branch_computations=\{([^}]*)\}", rest):
        return [name.strip().lstrip("%") for name in several[1].split(",")]
    return [_called(rest, f"{truth}_computation") for truth in ("true", "false")]


def _bytes(line: str) -> int:
    """The size of the arrays in the result of an instruction."""
    result = line.split(" = ", 1)[1].split(" copy", 1)[0]
    sizes = {"pred": 1, "u8": 1, "s8": 1, "u16": 2, "s16": 2, "bf16": 2, "f16": 2, "u64": 8, "s64": 8, "f64": 8}
    total = 0
    for kind, shape in re.findall(r"(\w+)\[([\d,]*)\]", result):
        count = 1
        for length in filter(None, shape.split(",")):
            count *= int(length)
        total += count * sizes.get(kind, 4)
    return total
