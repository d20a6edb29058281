"""Checks jaxrec with the oldest versions that it allows, and with the newest that there are.

    python tests/system/versions.py floors          # every `>=` of pyproject.toml as `==`
    python tests/system/versions.py newest          # whatever the package index has
    python tests/system/versions.py floors --suite  # the core tests, in place of the check

Each builds a virtual environment with the Python that runs this, in a temporary folder or in `--folder`, and runs in it
`api_test` of every environment, a training with checkpoints, the same training from those, and its policy on file.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ["tests/envs", "tests/agents", "tests/training"]


def floors() -> list[str]:
    """The lower bounds of the dependencies and of what the tests need, as pinned requirements."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    bounds = [*project["dependencies"], *extras["benchmark"], *extras["test"]]
    return [bound.replace(">=", "==") for bound in bounds if not bound.startswith("jaxrec[")]


def build(which: str, folder: Path, suite: bool) -> Path:
    """Makes the environment, and gives its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    wanted = f"{ROOT}[test]" if suite else str(ROOT)
    command = [str(python), "-m", "pip", "install", "--quiet", "--upgrade", wanted]
    if which == "floors":
        constraints = folder / "floors.txt"
        constraints.write_text("\n".join(floors()))
        command += ["--constraint", str(constraints)]
    subprocess.run(command, check=True)
    return python


def check() -> None:
    """Uses the parts of jaxrec that lean on the packages that it needs."""
    import importlib.metadata as metadata

    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxrec
    from jaxrec.agents import MLP, PPO

    names = ("jax", "flax", "numpy", "optax", "orbax-checkpoint", "pyarrow", "rich", "scipy")
    print(
        "Python", sys.version.split()[0], *(f"{name} {metadata.version(name)}" for name in names), sep=", ", flush=True
    )
    env, params = jaxrec.make("PolarisingUsers-v0")
    agent = PPO(env, MLP(env.num_actions), total_timesteps=4 * 30 * 8, num_envs=4, num_steps=30)
    keys = jax.random.split(jax.random.key(0), 2)
    with tempfile.TemporaryDirectory() as folder:
        learned, again = (
            jaxrec.fit(agent, keys, jaxrec.batched(params, 2), num_chunks=4, checkpoints=folder, checkpoint_seconds=0.0)
            for _ in range(2)
        )
        for one, other in zip(jax.tree.leaves(learned), jax.tree.leaves(again), strict=True):
            if not jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
                np.testing.assert_array_equal(one, other)
        policy = jaxrec.load_policy(folder, 0)
        jaxrec.rollout(env, policy, jax.random.key(1), 4, 30, params)
    print("training, checkpoints and policies", flush=True)

    for name in sorted(jaxrec.registered_envs(), reverse=True):
        env, params = jaxrec.make(name)
        jaxrec.api_test(env, params, num_envs=2, num_steps=8)
        print("api_test", name, flush=True)


def main() -> None:
    """Builds the environment that the command line asks for, and checks it; exits with the status of the check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["floors", "newest", "check"])
    parser.add_argument("--folder", type=Path, help="where the environment is made; a temporary folder by default")
    parser.add_argument("--suite", action="store_true", help="runs the core tests")
    chosen = parser.parse_args()
    if chosen.which == "check":
        check()
        return
    with tempfile.TemporaryDirectory() as temporary:
        python = build(chosen.which, chosen.folder or Path(temporary) / "venv", chosen.suite)
        task = ["-m", "pytest", "-q", *CORE] if chosen.suite else [__file__, "check"]
        # Warnings are errors with the versions of today alone.
        options = ["-W", "default"] if chosen.suite else []
        done = subprocess.run([str(python), *task, *options], cwd=ROOT, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
