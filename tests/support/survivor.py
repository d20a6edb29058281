"""Studies of small trainings, to be cut off; as a program, the command `jaxrec` with these studies among the others.

Environment variables, which leave no trace in what a run writes: SURVIVOR_PAUSE, seconds after each chunk;
SURVIVOR_STUCK, a chunk of the second training after which the main thread computes and computes.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from matplotlib.figure import Figure

import jaxrec
from jaxrec import cli
from jaxrec.agents import GAT, LSTM, MLP, PPO, LeastSquares, QLearning, Ranking
from jaxrec.environment import EnvParams
from jaxrec.envs.learned import BeliefTransformer, LearnedUsers
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.envs.preference import PreferenceShift
from jaxrec.envs.rewiring import RewiringGame, moments
from jaxrec.estimation import LearnUsers, generate
from jaxrec.experiments import STUDIES, Study
from jaxrec.experiments.reports.claims import REPORTED, Claim
from jaxrec.experiments.reports.report import Report, Section
from jaxrec.training import fit


class Nowhere:
    """As much of an environment as `fit` asks for."""

    def check_params(self, params, shape=()):
        pass


class Walk(struct.PyTreeNode):
    """An agent whose state is a key and a sum of draws."""

    slope: float = 1.0
    env: object = struct.field(pytree_node=False, default=Nowhere())
    num_updates: int = struct.field(pytree_node=False, default=12)

    def __repr__(self):
        return f"Walk({self.slope}, {self.num_updates})"

    def check(self):
        pass

    def init(self, key, params):
        return {"key": key, "at": params.influence, "nothing": None}

    def advance(self, state, params, first, last):
        def one(_, carry):
            key, at = carry
            key, key_draw = jax.random.split(key)
            return key, at + self.slope * jax.random.normal(key_draw)

        key, at = jax.lax.fori_loop(first, last, one, (state["key"], state["at"]))
        return {"key": key, "at": at, "nothing": None}, {"reward": at, "rounds": last}


@dataclass(frozen=True)
class Config:
    seed: int = 0
    """Of all."""
    seeds: int = 3
    """Runs of each training."""
    slopes: tuple[float, ...] = (1.0, 0.1)
    """One training each."""
    num_chunks: int = 6
    """Of each training."""
    ceiling: float = float("inf")
    """Which JSON has not."""

    def check(self):
        jaxrec.checks.positive("seeds", self.seeds)


def after(training, updates):
    """Called after each chunk, also where it is told again; tests put something else here."""
    time.sleep(float(os.environ.get("SURVIVOR_PAUSE", "0")))
    if training == 1 and str(updates) == os.environ.get("SURVIVOR_STUCK"):
        jax.jit(lambda x: jax.lax.fori_loop(0, 2**31 - 1, lambda _, x: jnp.sin(x), x))(1.0).block_until_ready()


def measure(config, tools):
    measured = {"curves": [], "ends": [], "keys": []}
    for training, slope in enumerate(config.slopes):
        curve = []

        def on_metrics(updates, metrics, training=training, curve=curve):
            curve.append(metrics["reward"])
            tools.log(training=training, updates=updates, **metrics)
            after(training, updates)

        keys = jax.random.split(jax.random.key(config.seed + training), config.seeds)
        params, kept = jaxrec.batched(EnvParams(), config.seeds), tools.log.checkpoints(f"Walk: slope {slope}")
        state = fit(
            Walk(slope), keys, params, config.num_chunks, tools.meter, on_metrics, "walking", kept, checkpoint_seconds=0
        )
        measured["curves"].append(np.stack(curve))
        measured["ends"].append(np.asarray(state["at"]))
        measured["keys"].append(np.asarray(jax.random.key_data(state["key"])))
    tools.log(part="ends", below=config.ceiling)
    after(len(config.slopes), 0)
    return measured


def claims(config):
    return [of_training(training, slope) for training, slope in enumerate(config.slopes)]


def of_training(training, slope):
    return Claim(f"slope {slope}", lambda measured: measured["ends"][training], REPORTED, "nobody")


def report(config, measured, findings):
    written = Report("Walks", "Sums of draws.")
    for training in range(len(config.slopes)):
        figure = Figure()
        figure.subplots().plot(measured["curves"][training])
        written.figures[f"walk{training}"] = figure
        written.data[str(training)] = {"curve": measured["curves"][training], "key": measured["keys"][training]}
    written.sections.append(Section("Walks", figures=list(written.figures)))
    return written


STUDY = Study(
    "survivor", "Small trainings", {"quick": Config(), "long": Config(num_chunks=12)}, measure, claims, report
)


def ppo(env, network, **settings):
    """Twelve updates."""
    return PPO(env, network, total_timesteps=12 * 48, num_envs=8, num_steps=6, num_minibatches=2, **settings)


def learn_users():
    """Twelve updates."""
    env = LearnedUsers(3, (80.0, 200.0), network=BeliefTransformer(8, layers=1, mixtures=2))
    logs, _ = generate(jax.random.key(1), num_users=18, env=PreferenceShift(3))
    return LearnUsers(env, "future", *logs.split(12), num_epochs=4, batch_size=4)


AGENTS = {
    "ppo": lambda: ppo(PolarisingUsers(5), MLP(3, (8,))),
    "recurrent": lambda: ppo(PreferenceShift(4, (80.0, 200.0), observe_as="choices", paid_for="sampled"), LSTM(2, 8)),
    "ranking": lambda: ppo(
        RewiringGame(10, 4, "learning"),
        Ranking(GAT(1, 2, 4), 8),
        log_metrics=("cooperation",),
        critic=LeastSquares(moments),
    ),
    "q-learning": lambda: QLearning(PolarisingUsers(4), total_timesteps=12 * 48, num_envs=8, num_steps=6),
    "learn-users": learn_users,
}


@dataclass(frozen=True)
class LearnerConfig:
    agent: str
    """One of `AGENTS`."""
    num_chunks: int = 12
    """Of the training."""

    def check(self):
        jaxrec.checks.lookup(AGENTS, self.agent, "agent")


def learn(config, tools):
    """Trains an agent from two seeds; measures all that it ends with."""
    agent = AGENTS[config.agent]()

    def on_metrics(updates, metrics):
        tools.log(updates=updates, **metrics)

    keys, params = jax.random.split(jax.random.key(0), 2), jaxrec.batched(agent.env.default_params, 2)
    kept = tools.log.checkpoints(config.agent)
    state = fit(agent, keys, params, config.num_chunks, tools.meter, on_metrics, "learning", kept, checkpoint_seconds=0)
    leaves = jax.tree.leaves(state.replace(key=jax.random.key_data(state.key)))
    return {str(number): np.asarray(leaf) for number, leaf in enumerate(leaves)}


LEARNERS = Study(
    "learners",
    "Small agents",
    {name: LearnerConfig(name) for name in AGENTS},
    learn,
    lambda config: [],
    lambda config, measured, findings: Report("Learners", config.agent, data=measured),
)


def main(argv):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which the background of a script ignores
    STUDIES.update({study.name: study for study in (STUDY, LEARNERS)})
    cli.main(argv)


def command(argv, cache):
    """`jaxrec`, in a process of its own; programs that `cache` has are not compiled again."""
    if cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    main(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
