"""Which clients run which environments: agents and wrappers of other libraries (rows) on ours (columns).

    python -m benchmarks.clients                       # everything, minutes
    python -m benchmarks.clients --clients "rejax PPO" # some rows

Each client plays or learns for a few steps and must get what it reads; a cell is `ok`, a letter that stands for a named
reason why the two cannot meet, or the error. A client that is not installed says so.
"""

import importlib.util
import string
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

import jaxrec
from benchmarks.clients_of import gymnasium, gymnax, others
from jaxrec import Environment

SMALL = {f"Rewiring{name}-v0": {"num_users": 6, "degree": 2} for name in ("Game", "Market")}
"""Societies in which an episode ends soon."""

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
    "PureJaxRL": (("gymnax",), others.purejaxrl),
    "Stoa (of Stoix)": (("stoa",), others.stoa),
}
"""The modules that a client needs, and what it does."""


@dataclass
class Options:
    """What the command takes."""

    clients: tuple[str, ...] = ()
    """Rows; all if none."""
    envs: tuple[str, ...] = ()
    """Columns; all registered environments if none."""
    out: Path | None = None
    """Also write the table to this file."""


def outcome(client: str, env_id: str) -> str:
    """Runs a client on an environment: gives "ok", "not installed", or why not."""
    needs, run = CLIENTS[client]
    if any(importlib.util.find_spec(module) is None for module in needs):
        return "not installed"
    try:
        run(jaxrec.make(env_id, **SMALL.get(env_id, {}))[0])
    except gymnax.ImpossibleError as reason:
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
        for env_id in envs:
            found = outcome(client, env_id)
            print(f"{client} | {env_id} | {found}", file=sys.stderr, flush=True)
            if found not in ("ok", "not installed"):
                found = letters.setdefault(found, string.ascii_lowercase[len(letters)])
            cells.append(found)
        rows.append(f"| {' | '.join([client, *cells])} |")
    heads = [f"| {' | '.join(['client', *envs])} |", f"|{'---|' * (1 + len(envs))}"]
    return "\n".join([*heads, *rows, "", *[f"- {letter}: {reason}" for reason, letter in letters.items()]])


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table, and writes it where a file is given."""
    given = tyro.cli(Options, args=argv, prog="python -m benchmarks.clients")
    made = table(given.clients or tuple(CLIENTS), given.envs or tuple(jaxrec.registered_envs()))
    print(made)
    if given.out is not None:
        given.out.write_text(f"{made}\n")


if __name__ == "__main__":
    main()
