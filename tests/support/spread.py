"""As a program: trainings and societies over several devices, or in several processes; prints what came out as JSON.

The arguments say what: "societies", or an agent and the meshes it is compared on with one device, as "ppo:runs,both",
or an agent alone, whose weights are printed; as "q*2" where two devices share the environments of a run.
"""

import json
import logging
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from probes import Bent, Chain, ChainState

import jaxrec
from jaxrec.agents import MLP, PPO, QLearning
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.rewiring import RewiringGame, simulate
from jaxrec.experiments.rewiring.learning.study import LearningConfig
from jaxrec.runtime import devices, processes
from jaxrec.training import fit

RUNS = 8


class HollowState(ChainState):
    """With an empty array, as societies have."""

    nothing: Any


class Hollow(Chain):
    """The same walk."""

    def reset_env(self, key, params):
        obs, state = super().reset_env(key, params)
        return obs, HollowState(**vars(state), nothing=jnp.zeros((0, 2)))


LEARNING = LearningConfig(steps=(512,), gat_share=1.0, num_envs=8, num_steps=(16,), num_minibatches=2)
AGENTS = {  # made once JAX may touch devices
    "q": lambda: QLearning(Hollow(), 4096, num_envs=64, num_steps=2),
    "ppo": lambda: PPO(Chain(), MLP(2), 1024, num_envs=8, num_steps=32, num_epochs=2),
    "ranking": lambda: LEARNING.agent(10, "mlp", "aligned"),
    "gat": lambda: LEARNING.agent(10, "gat", "engagement"),
}
MESHES = {"runs": lambda: devices.mesh(RUNS), "both": lambda: devices.mesh(RUNS, envs=2)}


class Compiled(logging.Handler):
    """Counts the times that the loop of trainings was compiled."""

    count = 0

    def emit(self, record):
        self.count += "Compiling jit(advance)" in record.getMessage()


def numbers(tree):
    """The leaves as NumPy arrays, typed keys as their words."""
    leaves = jax.tree.leaves(tree)
    return [np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x) for x in leaves]


def apart(one, other):
    """Whether two trees are equal in every bit, and the largest difference."""
    pairs = list(zip(numbers(one), numbers(other), strict=True))
    most = max(float(np.abs(a.astype(float) - b.astype(float)).max(initial=0)) for a, b in pairs)
    return {"bitwise": all(np.array_equal(a, b) for a, b in pairs), "most": most}


def rolled_out():
    """On one device, and with environments spread over all."""
    env = PolarisingUsers(horizon=5)

    def run():
        return jaxrec.rollout(env, env.policy("bandit"), jax.random.key(0), 64, 12)

    one = run()
    with jax.set_mesh(devices.mesh(1, envs=len(jax.devices()))):
        many = run()
    return apart(one, many) | {
        "devices": len(many.episodes.sharding.device_set),
        "spread": not many.episodes.sharding.is_fully_replicated,
    }


def evaluated():
    """What a policy earns that lies on the default device, on the last one, and on all."""
    policy, everywhere = Bent(jnp.full((), 0.5)), jax.NamedSharding(devices.mesh(RUNS), jax.P())
    lie = (policy, jax.device_put(policy, jax.devices()[-1]), jax.device_put(policy, everywhere))
    return [float(jaxrec.evaluate(Chain(length=9), one, jax.random.key(0), 64).sums["reward"].mean()) for one in lie]


def train(agent, mesh):
    keys = jax.random.split(jax.random.key(0), RUNS)
    params = jaxrec.batched(agent.env.default_params, RUNS)
    told = []
    state = fit(agent, keys, params, 4, on_metrics=lambda _, metrics: told.append(metrics), mesh=mesh)
    return state, told


def compare(name, meshes, compiled):
    one = train(AGENTS[name](), devices.mesh(RUNS, devices=jax.devices()[:1]))
    found = {}
    for kind in meshes:
        before = compiled.count
        many = train(AGENTS[name](), MESHES[kind]())
        lies = jax.tree.leaves(many[0])[-1].sharding
        found[f"{name} {kind}"] = apart(one, many) | {
            "compiled": compiled.count - before, "devices": len(lies.device_set)
        }  # fmt: skip
    return found


def societies():
    """Where more runs than lanes ended, so that lanes were taken twice."""
    ends = simulate(
        RewiringGame(30, 8, "learning"), "random", jax.random.key(0), num_steps=400, runs=12, check_every=100
    )
    return {name: value.tolist() for name, value in vars(ends).items() if isinstance(value, np.ndarray)}


def alone(name):
    """All that was learned, in as many digits as it has."""
    name, _, envs = name.partition("*")
    state, told = train(AGENTS[name](), devices.mesh(RUNS, int(envs)) if envs else None)
    return [array.tolist() for array in numbers((state, told))]


def main(wanted):
    processes.initialize()
    compiled = Compiled()
    logging.getLogger("jax").addHandler(compiled)
    jax.config.update("jax_log_compiles", True)
    found = {"devices": len(jax.devices()), "processes": jax.process_count()}
    for what in wanted:
        name, _, meshes = what.partition(":")
        if name == "societies":
            found["societies"] = societies()
        elif name == "rollout":
            found["rollout"] = rolled_out()
        elif name == "evaluation":
            found["evaluation"] = evaluated()
        elif meshes:
            found |= compare(name, meshes.split(","), compiled)
        else:
            found[name] = alone(name)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
