"""How fast PPO trains, end to end: on CartPole beside rejax, and on RewiringGame-v0 with each network at each size.

    python -m benchmarks.ppo --help

One run on one machine. Both train on gymnax's CartPole with the same settings, and what they learned is played by the
same evaluator, rejax's. Compilation is timed apart. Needs rejax (`pip install "jaxrec[benchmark]"`).
"""

import dataclasses
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import rejax
from rejax.evaluate import evaluate
from rich.console import Console
from rich.table import Table

from benchmarks import command
from benchmarks.gymnax_adapter import Gymnax
from benchmarks.timed import Timed
from jaxrec import checks, vectorized
from jaxrec.agents import GAT, MLP, PPO, NodeMLP, Ranking
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.experiments.runs.manifest import manifest
from jaxrec.runtime.hardware import describe
from jaxrec.runtime.timing import Timing, measure

JAXREC, REJAX = "jaxrec", "rejax"
DEGREES = {10: 4, 30: 8, 100: 28, 500: 30}
EMBEDDINGS = {"mlp": NodeMLP(), "gat": GAT()}
SETTINGS: dict[str, Any] = {
    "num_envs": 64,
    "num_steps": 128,
    "num_epochs": 4,
    "num_minibatches": 8,
    "learning_rate": 3e-3,
    "ent_coef": 0.01,
}
LIMITS = (
    "What to expect: each figure is the median of repeats on a machine that may serve others too; min - max shows how "
    "quiet it was. CartPole is trained from nothing in every timed run, by both. What differs beside the settings: "
    "rejax takes two gradients, of actor and critic, each clipped entry by entry, where ours is one, scaled to a norm; "
    "its Adam has an epsilon of 1e-8, ours of 1e-5; its policy begins with logits of the order of 1, ours of 0.01; to "
    "it an episode that was cut off has ended. The parts of a step in a society are differences of medians: of playing "
    "at random, of playing by the network, and of training."
)


@dataclass(frozen=True)
class Sizes:
    """How much is trained for one timed run, and how often.

    Attributes:
        cartpole: environment steps of one training.
        seeds: trainings of CartPole at once, by vmap.
        users: the sizes of a society.
        pairs: recommendations to pairs of users, roughly, in a batch of one timed run: fewer where societies are large.
        repeats: timed runs.
        played: episodes of each evaluation.
    """

    cartpole: int
    seeds: tuple[int, ...]
    users: tuple[int, ...]
    pairs: int
    repeats: int
    played: int


def sizes(options: "Options", backend: str) -> Sizes:
    """Sizes for a CPU or a GPU."""
    if options.quick:
        size = Sizes(8_192, (2,), (10,), 2**18, 2, 8)
    elif backend == "gpu":
        size = Sizes(500_000, (1, 16, 64), tuple(DEGREES), 2**31, 3, 128)
    else:
        size = Sizes(300_000, (1, 8), tuple(DEGREES), 2**24, 3, 64)
    given = {name: getattr(options, name) for name in ("users", "repeats") if getattr(options, name)}
    return dataclasses.replace(size, **given)


@dataclass
class CartPole(Timed):
    """CartPole trained by one library.

    Attributes:
        by: `JAXREC` or `REJAX`.
        seeds: trainings at once.
        steps: environment steps of all trainings in each run.
        compile_s: seconds of compilation, apart.
        runs_s: seconds of each run.
        returns: of each training, the mean of greedy episodes of the policy it ended with.
    """

    by: str
    seeds: int
    steps: int
    compile_s: float
    runs_s: list[float]
    returns: list[float]


@dataclass
class Society(Timed):
    """Training in a society.

    Attributes:
        users: in the society.
        network: one of `EMBEDDINGS`.
        num_envs: societies in parallel.
        steps: in each run.
        compile_s: seconds of compilation, apart.
        runs_s: seconds of each run.
        parts_us: microseconds of a step that go into simulation, policy and learning.
    """

    users: int
    network: str
    num_envs: int
    steps: int
    compile_s: float
    runs_s: list[float]
    parts_us: dict[str, float]


# CartPole.


class EndsAsOne:
    """A gymnax environment whose step says `done` alone, as gymnax did before 1.0 and rejax expects."""

    def __init__(self, name: str):
        self._env, self.default_params = gymnax.make(name)
        self.reset, self.action_space = self._env.reset, self._env.action_space
        self.observation_space = self._env.observation_space

    def step(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        """(obs, state, reward, done, info), reset where the episode ended."""
        obs, state, reward, terminated, truncated, info = self._env.step(key, state, action, params)
        return obs, state, reward, terminated | truncated, info


def ours(steps: int) -> PPO:
    """Our learner."""
    kept = {"learning_rate_end": SETTINGS["learning_rate"], "ent_coef_end": SETTINGS["ent_coef"]}
    settings: dict[str, Any] = SETTINGS | kept | {"value_clip_eps": 0.2}
    return PPO(Gymnax("CartPole-v1"), MLP(), steps, **settings)


def theirs(steps: int) -> Any:
    """rejax's, with the same settings; it evaluates nothing along the way."""
    agent = rejax.PPO.create(
        env=EndsAsOne("CartPole-v1"),
        agent_kwargs={"hidden_layer_sizes": (64, 64), "activation": "tanh"},
        total_timesteps=steps,
        eval_freq=steps,
        skip_initial_evaluation=True,
        gae_lambda=0.95,
        max_grad_norm=0.5,
        ent_coef=SETTINGS["ent_coef"],
        **{name: value for name, value in SETTINGS.items() if name != "ent_coef"},
    )
    return agent.replace(eval_callback=lambda *_: jnp.zeros(()))


def cartpole(size: Sizes, seeds: int, seed: int) -> list[CartPole]:
    """Both libraries, each training timed whole: from new weights to the last batch."""
    one, other = ours(size.cartpole), theirs(size.cartpole)
    keys = jax.random.split(jax.random.key(seed), seeds)
    key_play = jax.random.key(seed + 1)
    steps = one.num_updates * one.num_envs * one.num_steps * seeds

    def train_one(keys: Any) -> Any:
        return jax.vmap(lambda key: one.train(key, one.env.default_params)[0])(keys)

    def train_other(keys: Any) -> Any:
        return jax.vmap(lambda key: other.train(key)[0])(keys)

    def act_one(state: Any) -> Any:
        policy = one.policy(state)
        return lambda obs, key: policy.act((), obs, key)[0]

    def act_other(state: Any) -> Any:
        def greedy(obs: Any, key: Any) -> Any:
            return other.actor.apply(state.actor_ts.params, obs[None], method="_action_dist").logits[0].argmax()

        return greedy

    found = []
    for by, train, act in ((JAXREC, train_one, act_one), (REJAX, train_other, act_other)):
        timing = measure(train, keys, repeats=size.repeats)
        states = jax.jit(train)(keys)

        @jax.jit
        def play(states: Any, act: Any = act) -> Any:
            env, params = other.env, other.env_params
            return jax.vmap(lambda state: evaluate(act(state), key_play, env, params, size.played, 500)[1].mean())(
                states
            )

        found.append(CartPole(by, seeds, steps, timing.compile, timing.runs, np.asarray(play(states)).tolist()))
    return found


# Societies.


def society(size: Sizes, users: int, network: str, seed: int) -> Society:
    """Training in societies of one size, and what its parts take."""
    env = RewiringGame(users, DEGREES[users], "learning", reward="aligned")
    each = max(size.pairs // users**2, 2**7)
    num_steps = 32 if each > 2**10 else 8
    num_envs = min(each // num_steps, 4096)
    steps = num_envs * num_steps
    settings: dict[str, Any] = SETTINGS | {"num_steps": num_steps, "num_envs": num_envs, "num_minibatches": 4}
    agent = PPO(env, Ranking(EMBEDDINGS[network]), steps, **settings)
    params, key = env.default_params, jax.random.key(seed)
    state = jax.jit(agent.init)(key, params)

    def play(state: Any, by_network: bool) -> Any:
        policy = agent.policy(state, greedy=False)

        def step(carry: Any, key: Any) -> Any:
            obs, env_state = carry
            key_act, key_step, key_reset = jax.random.split(key, 3)
            if by_network:
                keys = jax.random.split(key_act, num_envs)
                action = jax.vmap(lambda obs, key: policy.act((), obs, key)[0])(obs, keys)
            else:
                action = jax.random.randint(key_act, (num_envs,), 0, users)
            taken = vectorized.step(env, key_step, env_state, obs, action, params)
            carry = vectorized.auto_reset(env, key_reset, taken, params, state.reset_pool)
            return carry, taken.reward.sum()

        return jax.lax.scan(step, (state.obs, state.env_state), jax.random.split(key, num_steps))

    timed = [measure(lambda state, on=on: play(state, on), state, repeats=size.repeats) for on in (False, True)]
    whole = measure(lambda state: agent.advance(state, params, 0, 1), state, repeats=size.repeats)
    return Society(users, network, num_envs, steps, whole.compile, whole.runs, parts(timed[0], timed[1], whole, steps))


def parts(random: Timing, played: Timing, trained: Timing, steps: int) -> dict[str, float]:
    """Microseconds of a step in each part."""
    medians = [timing.median / steps * 1e6 for timing in (random, played, trained)]
    names = ("simulation", "policy", "learning")
    return dict(zip(names, np.diff(medians, prepend=0.0).tolist(), strict=True))


# The report.


def cartpole_table(found: list[CartPole], hardware: str) -> Table:
    """Steps a second of both, and what they learned."""
    title = f"PPO on gymnax's CartPole-v1, the same settings, on {hardware}"
    caption = "return: mean of greedy episodes, least and most over the seeds; / rejax: with as many seeds"
    heads = ("library", "seeds", "steps/s", "min - max", "/ rejax", "compile s", "return", "least - most")
    table = Table(*heads, title=title, caption=caption)
    for one in found:
        low, high = one.rates
        table.add_row(
            one.by,
            str(one.seeds),
            f"{one.rate:,.0f}",
            f"{low:,.0f} - {high:,.0f}",
            f"{ratio(one, found):.2f}",
            f"{one.compile_s:.1f}",
            f"{np.mean(one.returns):.0f}",
            f"{min(one.returns):.0f} - {max(one.returns):.0f}",
        )
    return table


def society_table(found: list[Society], hardware: str) -> Table:
    """Steps a second of training in societies."""
    title = f"PPO on RewiringGame-v0 (learning), one seed, {SETTINGS['num_epochs']} passes, on {hardware}"
    caption = "steps are recommendations; the parts of a step in microseconds"
    heads = ("users", "network", "societies", "steps/s", "min - max", "simulation", "policy", "learning", "compile s")
    table = Table(*heads, title=title, caption=caption)
    for one in found:
        low, high = one.rates
        shares = (f"{one.parts_us[name]:,.1f}" for name in ("simulation", "policy", "learning"))
        speed = (f"{one.rate:,.0f}", f"{low:,.0f} - {high:,.0f}")
        table.add_row(str(one.users), one.network, f"{one.num_envs:,}", *speed, *shares, f"{one.compile_s:.1f}")
    return table


def ratio(one: CartPole, found: list[CartPole]) -> float:
    """How many times as fast as rejax with as many seeds."""
    return one.rate / next(other.rate for other in found if (other.by, other.seeds) == (REJAX, one.seeds))


def to_json(options: "Options", poles: list[CartPole], societies: list[Society]) -> dict[str, Any]:
    """All numbers, and what they were measured on."""
    config = {name: value for name, value in dataclasses.asdict(options).items() if name != "out"}
    about = manifest("benchmark", None, config)
    about["versions"]["rejax"] = version("rejax")
    return {
        "manifest": about,
        "settings": SETTINGS,
        "cartpole": [one.to_json() | {"vs_rejax": ratio(one, poles)} for one in poles],
        "societies": [one.to_json() for one in societies],
        "limits": LIMITS,
    }


@dataclass
class Options(command.Options):
    """Times PPO: on gymnax's CartPole beside rejax, and on RewiringGame-v0 at each size and network; minutes.

    Every figure comes from this one run on this one machine: steps a second (median, slowest and fastest of several
    runs), compilation apart, with what a step spends on simulation, policy and learning.
    """

    users: tuple[int, ...] = ()
    """Sizes of a society, any of 10, 30, 100, 500; by default all."""
    repeats: int = 0
    """Timed runs of each; by default 3."""


def run(options: Options) -> dict[str, Any]:
    """Measures, prints and writes; returns what `--out` writes."""
    checks.new_file("out", options.out)
    if options.repeats:
        checks.positive("repeats", options.repeats)
    for users in options.users:
        checks.lookup({str(size): None for size in DEGREES}, str(users), "users")
    console = Console(width=None if sys.stdout.isatty() else 140)
    size = sizes(options, jax.default_backend())
    poles: list[CartPole] = []
    societies: list[Society] = []
    with console.status("training on CartPole") as status:
        for seeds in size.seeds:
            poles += cartpole(size, seeds, options.seed)
        for users in size.users:
            for network in EMBEDDINGS:
                status.update(f"training at N = {users}, {network}")
                societies.append(society(size, users, network, options.seed))
    result = to_json(options, poles, societies)
    hardware = describe(result["manifest"]["hardware"])
    console.print(cartpole_table(poles, hardware))
    console.print(society_table(societies, hardware))
    console.print(LIMITS, highlight=False)
    command.write(result, options.out)
    return result


if __name__ == "__main__":
    command.main("ppo", Options, run)
