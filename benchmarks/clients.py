"""Which clients run which environments: agents and wrappers of other libraries (rows) on ours (columns).

    python -m benchmarks.clients                       # everything, half an hour on one core
    python -m benchmarks.clients --clients "rejax PPO" # some rows

Each client plays or learns for a few steps and must get what it reads; a cell is `ok`, a letter that stands for a named
reason why the two cannot meet, or the error. A client that is not installed says so. Above the table stand its command,
commit, versions and time.
"""

import contextlib
import importlib.util
import string
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import tyro

import jaxrec
from benchmarks.clients_of import gymnasium, gymnax, offline, others
from benchmarks.clients_of.reasons import ImpossibleError
from jaxrec import Environment
from jaxrec.experiments.runs.manifest import commit

SMALL = {f"Rewiring{name}-v0": {"num_users": 6, "degree": 2} for name in ("Game", "Market")}
"""Societies in which an episode ends soon."""

SLATES = "slates of two"
ENVIRONMENTS = {name: name for name in jaxrec.registered_envs()} | {SLATES: "benchmarks.clients_of.slates:Readers"}
"""What `jaxrec.make` takes for each column."""

Client = Callable[[Environment], None]

CLIENTS: dict[str, tuple[tuple[str, ...], Client]] = {
    "Gymnasium check_env": (("gymnasium",), gymnasium.check),
    "Gymnasium make_vec": (("gymnasium",), gymnasium.vector),
    "Gymnasium FlattenObservation": (("gymnasium",), gymnasium.flattened),
    "Gymnasium RecordEpisodeStatistics": (("gymnasium",), gymnasium.recorded),
    "Stable-Baselines3 check_env": (("stable_baselines3",), gymnasium.check_sb3),
    "Stable-Baselines3 PPO": (("stable_baselines3",), gymnasium.sb3_ppo),
    "Stable-Baselines3 DQN": (("stable_baselines3",), gymnasium.sb3_dqn),
    "sb3-contrib MaskablePPO": (("sb3_contrib",), gymnasium.maskable_ppo),
    "gymnax LogWrapper": (("gymnax",), gymnax.log),
    "gymnax FlattenObservationWrapper": (("gymnax",), gymnax.flatten),
    "gymnax StickyActionWrapper": (("gymnax",), gymnax.sticky),
    "gymnax LegacyStepAPIWrapper": (("gymnax",), gymnax.legacy),
    "gymnax GymnaxToDmEnvWrapper": (("gymnax",), gymnax.dm_env),
    "gymnax GymnaxToGymWrapper": (("gymnax",), gymnax.gym),
    "gymnax GymnaxToVectorGymWrapper": (("gymnax",), gymnax.vector_gym),
    "gymnax RolloutWrapper": (("gymnax",), gymnax.rollout),
    "gymnax GymnaxToBraxWrapper": (("brax",), gymnax.brax),
    "gymnax GymnaxToEvoJaxTask": ((), gymnax.evojax),
    "rejax PPO": (("rejax",), others.rejax_ppo),
    "rejax DQN": (("rejax",), others.rejax_dqn),
    "rejax PQN": (("rejax",), others.rejax_pqn),
    "rejax IQN": (("rejax",), others.rejax_iqn),
    "rejax SAC": (("rejax",), others.rejax_sac),
    "PureJaxRL's loop": (("gymnax",), others.purejaxrl),
    "Stoa (of Stoix)": (("stoa",), others.stoa),
    "Minari": (("minari",), offline.minari),
    "d3rlpy DiscreteCQL": (("d3rlpy", "minari"), offline.d3rlpy),
}
"""The modules that a client needs, and what it does."""

PACKAGES = (
    *("jax", "flax", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib", "torch"),
    *("gymnax", "brax", "rejax", "stoa-env", "minari", "d3rlpy"),
)
"""Whose versions are told."""


@dataclass
class Options:
    """What the command takes."""

    clients: tuple[str, ...] = ()
    """Rows; all if none."""
    envs: tuple[str, ...] = ()
    """Columns; all registered environments and one of slates if none."""
    out: Path | None = None
    """Also write the table to this file."""


def outcome(client: str, env: str) -> str:
    """Runs a client on an environment, a column: gives "ok", "not installed", or why not."""
    needs, run = CLIENTS[client]
    if any(importlib.util.find_spec(module) is None for module in needs):
        return "not installed"
    try:
        with contextlib.redirect_stdout(sys.stderr):
            run(jaxrec.make(ENVIRONMENTS[env], **SMALL.get(env, {}))[0])
    except ImpossibleError as reason:
        return str(reason)
    except Exception as error:  # whatever another library raises is what the table is to show
        return f"{type(error).__name__}: {str(error).splitlines()[0][:100] if str(error) else ''}"
    return "ok"


def table(clients: Sequence[str], envs: Sequence[str]) -> str:
    """Makes the table in Markdown, with its reasons below it."""
    letters: dict[str, str] = {}
    rows = []
    for client in clients:
        cells = []
        for env in envs:
            found = outcome(client, env)
            print(f"{client} | {env} | {found}", file=sys.stderr, flush=True)
            if found not in ("ok", "not installed"):
                found = letters.setdefault(found, string.ascii_lowercase[len(letters)])
            cells.append(found)
        rows.append(f"| {' | '.join([client, *cells])} |")
    heads = [f"| {' | '.join(['client', *envs])} |", f"|{'---|' * (1 + len(envs))}"]
    return "\n".join([*heads, *rows, "", *[f"- {letter}: {reason}" for reason, letter in letters.items()]])


def versions() -> str:
    """Lists the packages that are installed, with their versions."""
    found = [f"Python {sys.version.split()[0]}"]
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return ", ".join(found)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table, and writes it where a file is given."""
    given = tyro.cli(Options, args=argv, prog="python -m benchmarks.clients")
    begin = time.monotonic()
    made = table(given.clients or tuple(CLIENTS), given.envs or tuple(ENVIRONMENTS))
    about = f"Commit {commit(Path(__file__))}, {(time.monotonic() - begin) / 60:.0f} minutes. {versions()}."
    made = f"{about}\n\n{made}"
    print(made)
    if given.out is not None:
        given.out.write_text(f"{made}\n")


if __name__ == "__main__":
    main()
