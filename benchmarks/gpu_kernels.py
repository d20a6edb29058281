"""How many kernels a GPU launches for each step, of programs compiled for an H100 on a machine that has none.

    python -m benchmarks.gpu_kernels --help

Small societies run on a GPU at the speed at which it launches kernels, 2 to 5 microseconds each, so that the kernels in
an iteration of the innermost loop are the limit of their speed. Needs the CUDA plugin of jax
(`pip install "jaxrec[benchmark,cuda12]"`), no card and no driver. What is counted are kernels of the compiled program;
how long they take, only a GPU can tell. It leans on parts of jax 0.10 that are not public.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from rich.console import Console
from rich.table import Table

import jaxrec
from benchmarks import command, loops
from benchmarks.polarising import play
from jaxrec import InputError, checks, random
from jaxrec.agents import GAT, MLP, PPO, QLearning, Ranking
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.envs.rewiring.simulation.advance import Method, advance
from jaxrec.envs.rewiring.simulation.competition import settings
from jaxrec.envs.rewiring.simulation.simulator import Queue
from jaxrec.experiments.runs.manifest import manifest

# NVIDIA's figures of the H100 SXM, as XLA's compiler takes them.
H100 = """
gpu_device_info { threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152
shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448 threads_per_core_limit: 2048 core_count: 132
fpus_per_core: 128 block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
registers_per_core_limit: 65536 registers_per_block_limit: 65536 memory_bandwidth: 3352320000000
l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84929347584
cuda_compute_capability { major: 9 } }
platform_name: "CUDA" dnn_version_info { major: 9 minor: 7 } runtime_version { major: 12 minor: 8 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


@dataclass
class Options(command.Options):
    """Counts the kernels of every loop, with keys of each generator; some minutes of compiling."""

    generators: tuple[str, ...] = tuple(random.GENERATORS)
    """Of the keys: threefry, hash, or both."""


def programs(quick: bool, generator: str) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """What is compiled: name -> (function, arguments), with a key of the generator."""
    key = jax.eval_shape(lambda: random.key(0, generator))
    polarising, preference = PolarisingUsers(), PreferenceShift()

    def rolled(env: Any, policy: str, num_envs: int, num_steps: int) -> Callable[..., Any]:
        return lambda key, params: jaxrec.rollout(env, env.policy(policy), key, num_envs, num_steps, params)

    found: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "environment alone, PolarisingUsers": (partial(play, 65_536, 30), (key, polarising.default_params)),
        "rollout, PolarisingUsers, bandit": (
            rolled(polarising, "bandit", 65_536, 30),
            (key, polarising.default_params),
        ),
    }
    if quick:
        return found
    learner = QLearning(polarising, 65_536 * 30 * 4, 65_536, num_steps=30, td_lambda=0.6)
    found["Q-learning, PolarisingUsers"] = (learner.train, (key, polarising.default_params))
    found["rollout, PreferenceShift, random"] = (
        rolled(preference, "random", 16_384, 10),
        (key, preference.default_params),
    )
    for users, degree in ((100, 28), (500, 30)):
        for engine in ("xla", "pallas"):
            game = RewiringGame(users, degree, engine=engine)
            found[f"rollout, RewiringGame by {engine}, N = {users}, local"] = (
                rolled(game, "local", 4096, 64),
                (key, game.default_params),
            )
            found[f"simulate by {engine}, N = {users}, local"] = simulated(game, key, Method("xoshiro", engine))
    edges = RewiringGame(20, 4, "santos", engine="pallas")  # which draws ties from a list
    found["rollout, RewiringGame by pallas, N = 20, Santos"] = (
        rolled(edges, "good", 4096, 64),
        (key, edges.default_params),
    )
    agents = {"PPO, PolarisingUsers, MLP": PPO(polarising, MLP(), 4 * 4096 * 30, num_envs=4096, num_steps=30)}
    for engine in ("xla", "pallas"):
        ten = RewiringGame(10, 4, "learning", engine=engine)
        agent = PPO(ten, Ranking(GAT()), 4 * 1024 * 64, num_envs=1024, num_steps=64)
        agents[f"PPO, RewiringGame by {engine}, N = 10, GAT"] = agent
    for name, agent in agents.items():
        found[name] = (agent.train, (key, agent.env.default_params))
    return found


def simulated(game: RewiringGame, key: Any, method: Method) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """64 time-steps of `simulate`, 4096 societies side by side, all of the local heuristic."""
    lanes = 4096
    queue = Queue(*settings(game, "local", game.default_params, None, lanes))
    setting = queue.lanes(np.arange(lanes))
    state = jax.eval_shape(lambda key: queue.start(game, key, np.arange(lanes)), key)
    mesh = Mesh(np.asarray(jax.devices("cpu")[:1]), ("lanes",))  # of one device nothing but the number is read
    return lambda state, key, setting: advance(game.law, state, key, setting, 64, mesh, method), (state, key, setting)


def compiled_for_h100(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    """The text of the program that XLA makes of a function for an H100."""
    from jax.experimental import topologies
    from jax.sharding import NamedSharding, PartitionSpec

    topology = topologies.get_topology_desc(platform="cuda", target_config=H100, topology="1x1x1")
    where = NamedSharding(topologies.make_mesh(topology, (1,), ("devices",)), PartitionSpec())
    placed = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf), sharding=where), arguments
    )
    return jax.jit(function).lower(*placed).compile().as_text() or ""


def pretend_cuda_is_there() -> None:
    """Lets jax lower for CUDA where no card is found, and jaxrec take it for a GPU.

    Raises:
        InputError: if the CUDA plugin of jax is not installed.
    """
    if find_spec("jax_plugins.xla_cuda12") is None and find_spec("jax_plugins.xla_cuda13") is None:
        raise InputError('needs the CUDA plugin of jax: pip install "jaxrec[benchmark,cuda12]"')
    import jax._src.xla_bridge as bridge

    known = bridge.canonicalize_platform

    def canonicalize(platform: str) -> str:
        try:
            return known(platform)
        except RuntimeError:
            return "cuda"

    bridge.canonicalize_platform = canonicalize
    jax.default_backend = lambda: "gpu"  # what jaxrec asks before it writes a program


def run(options: Options) -> dict[str, Any]:
    """Compiles, counts, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    for name in options.generators:
        checks.lookup(random.GENERATORS, name, "generator")
    pretend_cuda_is_there()
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(
        "program",
        "keys",
        "loop",
        "trips",
        "kernels an iteration",
        "and sometimes",
        "bytes copied",
        title="Compiled for one H100",
    )
    counted = []
    for generator in options.generators:
        for name, (function, arguments) in programs(options.quick, generator).items():
            with console.status(f"compiling {name}, {generator}"):
                whole = loops.parse(compiled_for_h100(function, arguments))
            for depth, loop in whole.walk():
                row = {
                    "program": name,
                    "generator": generator,
                    "depth": depth,
                    "trips": loop.trips,
                    "kernels": loop.launched,
                    "of": loop.kernels,
                    "sometimes": loop.sometimes,
                    "copied_bytes": loop.copied,
                }
                counted.append(row)
                trips = "?" if loop.trips is None else f"{loop.trips:,}"
                table.add_row(
                    *("", "") if depth else (name, generator),
                    "  " * depth + str(depth),
                    trips,
                    str(loop.launched),
                    str(loop.sometimes),
                    f"{loop.copied:,}",
                )
    console.print(table)
    config = {"quick": options.quick, "seed": options.seed, "generators": options.generators}
    about = manifest("benchmark", None, config)
    result = {"manifest": about, "loops": counted}
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    flags = "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    command.main("gpu_kernels", Options, run)
