"""Where in the loops of a compiled program an operation stands."""

import re


def depths(program: str, operation: str) -> set[int]:
    """In how many loops, one within the other, an operation stands, each time that it does.

    Args:
        program: the text of a compiled program, `jax.jit(f).lower(...).compile().as_text()`.
        operation: its name there, such as "sort".
    """
    bodies: dict[str, list[str]] = {}
    name = ""
    for line in program.splitlines():
        if begins := re.match(r"(?:ENTRY )?%?([\w.-]+) .*\{$", line):
            name = begins[1] if not line.startswith("ENTRY") else "ENTRY"
            bodies[name] = []
        elif name:
            bodies[name].append(line)
    found: set[int] = set()

    def visit(name: str, depth: int) -> None:
        for line in bodies[name]:
            if re.search(rf" {operation}\(", line):
                found.add(depth)
            for kind, called in re.findall(r"(body|condition|calls|to_apply|true_computation)=%?([\w.-]+)", line):
                visit(called, depth + (kind == "body"))

    visit("ENTRY", 0)
    return found
