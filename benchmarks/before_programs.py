"""What `benchmarks.before` times, run by a process of its own with the code of one tree.

It reads names of programs, a line each, and answers each with the seconds that the program took, compilation included
where it is the first time. It calls what old commits have too, and what a tree's own commands ask of XLA.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import jax

Program = Callable[[], Any]
"""Runs it; it compiles in the first call."""
Choice = tuple[int, Callable[[], Program]]
"""Steps of a call, and a function that builds the program."""
STEPS = "steps"
"""What is asked instead of a name for the steps of each program."""


def programs(quick: bool) -> dict[str, Choice]:
    """What is timed, by name."""
    small = 16 if quick else 1
    five = ("local", "random", "good", "bad", "fair")
    of_visits = {"step_size": "VisitStep", "weights": (4.0,)}
    return {
        "simulate, N = 100, local": _simulate(100, "local", 480_000, small),
        "simulate, N = 500, local": _simulate(500, "local", 480_000, small),
        "simulate, N = 1000, local": _simulate(1000, "local", 480_000, small),
        "simulate, N = 500, low-cooperators": _simulate(500, "low-cooperators", 80_000, small),
        "simulate, N = 500, two kinds": _simulate(500, five[:2], 80_000, small),
        "simulate, N = 500, five kinds": _simulate(500, five, 80_000, small),
        "PolarisingUsers alone": _alone(16_384 // small, 300),
        "rollout, PolarisingUsers": _rollout(_made("PolarisingUsers-v0"), "random", 16_384 // small, 150),
        "rollout, PreferenceShift, state": _rollout(
            _made("PreferenceShift-v0", observe_as="state"), "random", 2048 // small, 100
        ),
        "rollout, PreferenceShift, beliefs": _rollout(_made("PreferenceShift-v0"), "random", 256 // small, 200),
        "rollout, RewiringGame, N = 10": _rollout(_rewiring(10, 4), "local", 256 // small, 200),
        "rollout, RewiringGame, N = 100": _rollout(_rewiring(100, 28), "local", 128 // small, 64),
        "rollout, RewiringGame, N = 500": _rollout(_rewiring(500, 30), "local", 32 // small, 32),
        "rollout, RewiringMarket": _rollout(_made("RewiringMarket-v0"), "random", 64 // small, 50),
        "Q-learning, as published": _q_learning(30, small, 1, step_size="GeometricStep", weights=(0.45, 0.06)),
        "Q-learning, traces": _q_learning(30, small, 30, td_lambda=0.6, **of_visits),
        "Q-learning, horizon 77": _q_learning(77, small, 77, **of_visits),
        "PPO, CartPole, MLP": _cartpole(303_104 // small),
        "PPO, PolarisingUsers, MLP": _ppo(_made("PolarisingUsers-v0"), "MLP", 1024 // small, 30, 4),
        "PPO, RewiringGame, N = 10, MLP": _ppo(_rewiring(10, 4), "NodeMLP", 256 // small, 64, 4),
        "PPO, RewiringGame, N = 10, attention": _ppo(_rewiring(10, 4), "GAT", 64 // small, 64, 4),
        "PPO, RewiringGame, N = 100, MLP": _ppo(_rewiring(100, 28), "NodeMLP", 64 // small, 32, 2),
        "PPO, RewiringGame, N = 100, attention": _ppo(_rewiring(100, 28), "GAT", 64 // small, 32, 2),
        "fit, RewiringGame, N = 10, MLP": _fit(_rewiring(10, 4), "NodeMLP", 256 // small, 64, 4),
        "fit, RewiringGame, N = 10, attention": _fit(_rewiring(10, 4), "GAT", 64 // small, 64, 4),
        "fit, RewiringGame, N = 100, attention": _fit(_rewiring(100, 28), "GAT", 64 // small, 32, 2),
    }


def _made(name: str, **settings: Any) -> Callable[[], Any]:
    return lambda: import_module("jaxrec").make(name, **settings)[0]


def _rewiring(users: int, degree: int) -> Callable[[], Any]:
    return lambda: import_module("jaxrec.envs.rewiring").RewiringGame(users, degree, "learning")


def _simulate(users: int, recommenders: str | tuple[str, ...], num_steps: int, small: int) -> Choice:
    runs, limit = 64 // small, num_steps // small

    def build() -> Program:
        rewiring = import_module("jaxrec.envs.rewiring")
        env = rewiring.RewiringGame(users, 30)
        competition = None if isinstance(recommenders, str) else rewiring.Competition(timescale=1.0)
        key = jax.random.key(0)
        return lambda: (
            rewiring.simulate(
                env, recommenders, key, None, limit, runs, competition, stop_at_fixation=False
            ).cooperation
        )

    return runs * limit, build


def _alone(num_envs: int, num_steps: int) -> Choice:
    def build() -> Program:
        game = import_module("benchmarks.polarising")
        return partial(jax.jit(partial(game.play, num_envs, num_steps)), jax.random.key(0), game.ENV.default_params)

    return num_envs * num_steps, build


def _rollout(env: Callable[[], Any], policy: str, num_envs: int, num_steps: int) -> Choice:
    def build() -> Program:
        made, rollout = env(), import_module("jaxrec").rollout
        run = jax.jit(lambda key, params: rollout(made, made.policy(policy), key, num_envs, num_steps, params))
        return partial(run, jax.random.key(0), made.default_params)

    return num_envs * num_steps, build


def _q_learning(
    horizon: int, small: int, num_steps: int, step_size: str, weights: tuple[float, ...], **settings: Any
) -> Choice:
    num_envs = 16_384 // small
    steps = num_envs * horizon * 8

    def build() -> Program:
        agents, societies = import_module("jaxrec.agents"), import_module("jaxrec.envs.polarising")
        env, size = societies.PolarisingUsers(horizon=horizon), getattr(agents, step_size)(*weights)
        return _training(agents.QLearning(env, steps, num_envs, num_steps, step_size=size, **settings))

    return steps, build


def _cartpole(steps: int) -> Choice:
    return steps, lambda: _training(import_module("benchmarks.ppo").ours(steps))


def _ppo(env: Callable[[], Any], network: str, *sizes: int) -> Choice:
    num_envs, num_steps, updates = sizes
    return num_envs * num_steps * updates, lambda: _training(_learner(env(), network, *sizes))


def _fit(env: Callable[[], Any], network: str, *sizes: int) -> Choice:
    def build() -> Program:
        jaxrec, agent = import_module("jaxrec"), _learner(env(), network, *sizes)
        params = jaxrec.batched(agent.env.default_params, 1)
        return lambda: jaxrec.fit(agent, jax.random.split(jax.random.key(0), 1), params, 1)

    return _ppo(env, network, *sizes)[0], build


def _learner(env: Any, network: str, num_envs: int, num_steps: int, updates: int) -> Any:
    agents = import_module("jaxrec.agents")
    chosen = agents.MLP(env.num_actions) if network == "MLP" else agents.Ranking(getattr(agents, network)())
    return agents.PPO(env, chosen, updates * num_envs * num_steps, num_envs=num_envs, num_steps=num_steps)


def _training(agent: Any) -> Program:
    return partial(jax.jit(agent.train), jax.random.key(0), agent.env.default_params)


def answer(quick: bool) -> None:
    """Reads names until the end of the input; answers each with seconds, or with what went wrong."""
    for module, call in (("xla_flags", "tune"), ("threefry", "unroll")):
        if find_spec(f"jaxrec.runtime.{module}"):
            getattr(import_module(f"jaxrec.runtime.{module}"), call)()
    every, built = programs(quick), {}
    for name in map(str.strip, sys.stdin):
        if name == STEPS:
            print(json.dumps({each: steps for each, (steps, _) in every.items()}), flush=True)
            continue
        try:
            if name not in built:
                built = {name: every[name][1]()}  # the one before is let go, with its memory
            started = time.perf_counter()
            jax.block_until_ready(built[name]())
            print(json.dumps(time.perf_counter() - started), flush=True)
        except Exception as error:  # whatever it is: the other programs are still to be measured
            print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)


if __name__ == "__main__":
    answer("--quick" in sys.argv)
