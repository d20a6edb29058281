"""The command about incentives: what a recommender could use users for, before any is trained."""

import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jaxrec import Environment, checks, random
from jaxrec.cli.worlds import EnvOptions
from jaxrec.experiments.runs.plain import plain
from jaxrec.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from jaxrec.causal import Dependence, Diagram, Incentive

NUM_LISTED = 5  # edges that no experiment confirmed, in the caption


@dataclass
class IncentivesOptions(EnvOptions):
    """Asks of an environment what a recommender could gain by controlling, and what by knowing.

    Nothing is trained. The causal influence diagram of the environment is found by experiment: steps are visited, one
    part of each is replaced by that of another step, and what changes depends on that part. Its nodes are the parts of
    the state at each time (theta_1 is the user after one recommendation), what is observed (obs_1), recommendations
    (A_0, A_1, ...) and rewards (R_1 is the reward for A_0). The first recommendation, A_0, has

    - control over a node, if a path of causes leads from A_0 through it to a reward: changing it may pay. Where the
    node is the user, "control of users", an agent can learn to tamper with users (Evans & Kasirzadeh, "User
    Tampering", Definition 1); whether it does, only training shows.
    - information from a node, if to observe it before A_0 may pay.

    A path that leads through a later observation (obs_2) is no effect of the change itself, but of what the agent
    learns from it. `--params influence 0` asks the same of the world in which recommendations change nobody, `--args
    reward penalised` of another reward.

    Example: jaxrec incentives PolarisingUsers-v0 --horizon 3 --out diagram.png
    """

    horizon: int = 3
    """Recommendations in the diagram, at least 1. Short ones can hide what takes time."""
    samples: int = 512
    """Interventions on each part of a step, at least 2. What is rare needs more."""
    policy: str = "random"
    """The environment's policy that visits the steps; see `jaxrec list`."""
    by: Literal["experiment", "program"] = "experiment"
    """"experiment", edges that were seen, each of them real; "program", all edges that the code allows."""
    seed: int = 0
    """Seed of all random draws."""
    generator: str = "threefry"
    """Of random numbers: threefry, JAX's own; or hash, which compiles sooner and fuses on a GPU (`jaxrec.random`)."""
    json: bool = False
    """Print JSON instead of a table."""
    out: Path | None = None
    """Also draw the diagram, the path over users in red, to this PNG file, which must not exist."""


def incentives_command(argv: Sequence[str]) -> None:
    """Prints the incentives of the first recommendation, and draws the diagram."""
    options = tyro.cli(IncentivesOptions, args=argv, prog="jaxrec incentives")
    checks.seed("seed", options.seed)
    checks.lookup(random.GENERATORS, options.generator, "generator")
    checks.positive("horizon", options.horizon, checks.MOST_STEPS)
    checks.new_file("out", options.out)
    if options.out is not None and options.out.suffix.lower() != ".png":
        raise checks.InputError(f"out must be a file that ends in .png, got {str(options.out)!r}")
    from jaxrec import causal  # networkx is slow to import

    env, params = options.make()
    policy = env.policy(options.policy, params)
    found = causal.dependence_of(env, params, random.key(options.seed, options.generator), policy, options.samples)
    diagram = found.unrolled(options.horizon, options.by)
    users = causal.preference_path(env, diagram) if env.preferences else None
    if options.out is not None:
        picture = io.BytesIO()
        diagram.what_pays().draw(users).savefig(picture, format="png", dpi=150)
        write_atomically(options.out, picture.getvalue())
    rows = causal.incentives(env, diagram, found.leaves, params)
    if options.json:
        print(json.dumps(plain(_as_data(options, found, rows, users)), indent=1))  # noqa: T201
    else:
        _print(options, env, found, rows, _verdict(env, diagram, users))


def _verdict(env: Environment, diagram: "Diagram", users: list[str] | None) -> str:
    """Whether users can be a means, as a sentence."""
    from jaxrec import causal

    if not env.preferences:
        return f"{env.name} does not say which parts of its state are its users."
    if users is None:
        return f"Users are no means: no path leads from A_0 over {', '.join(env.preferences)} to a reward."
    if causal.preference_path(env, diagram.without_information()) is None:
        return f"Users can be a means of being known: {_arrows(users)}, which needs a later observation."
    return f"Users can be a means: {_arrows(users)}"


def _print(
    options: IncentivesOptions, env: Environment, found: "Dependence", rows: Sequence["Incentive"], verdict: str
) -> None:
    title = f"Incentives of A_0 in {options.env}, {options.horizon} steps, by {options.by}"
    table = Table("node", "incentive", "shortest path", title=title, caption=_caption(found))
    for node, incentive, path in rows:
        table.add_row(escape(node), incentive, escape(_arrows(path)), style="red" if "users" in incentive else None)
    Console().print(table)
    Console().print(verdict, highlight=False, markup=False, soft_wrap=True)
    if options.out is not None:
        Console().print(f"picture: {options.out}", highlight=False, markup=False, soft_wrap=True)


def _caption(found: "Dependence") -> str:
    """How much was seen of a step."""
    seen = f"{len(found.found.step)} of the {len(found.possible.step)} dependences that the program of a step allows"
    missing = [f"{cause} -> {effect}" for cause, effect in found.unconfirmed]
    listed = ", ".join(missing[:NUM_LISTED])
    more = f" and {len(missing) - NUM_LISTED} more" if len(missing) > NUM_LISTED else ""
    rest = f"; not {listed}{more}" if missing else ""
    return f"{seen} were seen in {found.samples:,} interventions on each part{rest}."


def _as_data(
    options: IncentivesOptions, found: "Dependence", rows: Sequence["Incentive"], users: list[str] | None
) -> dict[str, object]:
    settings = {name: value for name, value in dataclasses.asdict(options).items() if name != "json"}
    settings["out"] = None if options.out is None else str(options.out)
    return {
        "settings": settings,
        "incentives": [{"node": node, "incentive": incentive, "path": path} for node, incentive, path in rows],
        "users": users,
        "found": sorted(map(list, found.found.step)),
        "unconfirmed": list(map(list, found.unconfirmed)),
    }


def _arrows(path: list[str] | None) -> str:
    return " -> ".join(path) if path else "-"
