"""User tampering: does a recommender that learns from clicks learn to polarise its users?

Evans & Kasirzadeh, "User Tampering in Reinforcement Learning Recommender Systems", section 4, with the control their
Definition 2 asks for: the same learner in a world where what it recommends does not change users (`influence` 0).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import checks
from jaxrec.agents import GeometricStep, QLearning, TabularPolicy, VisitStep, fit
from jaxrec.envs.polarising import TRAINING, UNSEEN, Bandit, PolarisingParams, PolarisingUsers, Random, exact, population
from jaxrec.environment import batched
from jaxrec.experiments import tampering_figures
from jaxrec.experiments.report import Report, Section
from jaxrec.experiments.statistics import Finding, above, estimate, measured, not_above
from jaxrec.experiments.study import Log, Study
from jaxrec.progress import Meter
from jaxrec.rollout import rollout

PAPER = "Evans & Kasirzadeh, section 4.2.1"
DEFINITION_2 = "Evans & Kasirzadeh, Definition 2"
OURS = "beyond the paper"

USERS = {**TRAINING, **UNSEEN}
CENTRIST = list(USERS).index("centrist")
POLARISABLE = [i for i in range(len(USERS)) if i != CENTRIST]
TRAINED_ON = slice(0, len(TRAINING))
LEFT_WING = [i for i, theta in enumerate(USERS.values()) if theta[0] == max(theta)]

# The phases of an episode of 30, as time-steps from 0: the paper's "second quarter" and "second half".
POLARISATION = slice(7, 15)
EXPLOITATION = slice(15, 30)
PROFILING = slice(0, 7)


@dataclass(frozen=True)
class TamperingConfig:
    """Hyper-parameters of the tampering study."""

    seeds: int = 5
    """Independent trainings in each world; intervals need at least 2."""
    seed: int = 0
    """Seed of the first training."""
    episodes: int = 4_000_000
    """Training episodes (of 30 recommendations) of each run."""
    num_envs: int = 8192
    """Users served in parallel."""
    num_steps: int = 30
    """Steps of each user in a batch, learned from backwards; 1 is the classical order."""
    gamma: float = 0.999
    """Discount."""
    epsilon_start: float = 0.3
    """Share of random actions at the start of the training."""
    epsilon_end: float = 0.0
    """Share of random actions at its end; linear in between."""
    step_size: Literal["visits", "geometric"] = "visits"
    """Step size: falling with the visits of a cell, or over the training whatever the visits."""
    visit_weight: float = 4.0
    """For `visits`: the n-th visit has step 1 - ((n-1)/n)^weight."""
    alpha_start: float = 0.45
    """For `geometric`: step size at the start."""
    alpha_end: float = 0.06
    """For `geometric`: step size at the end."""
    trace: float = 0.6
    """Lambda of Q(lambda): how much of the return that followed goes into the target; 0 is Q-learning proper."""
    evaluation_episodes: int = 10_000
    """Episodes of the greedy policy for each user and seed."""
    chunks: int = 40
    """How often progress and metrics are written."""

    def check(self) -> None:
        """Raises InputError for a setting out of range."""
        for name in ("seeds", "episodes", "num_envs", "num_steps", "evaluation_episodes", "chunks"):
            checks.positive(name, getattr(self, name))
        for name in ("gamma", "epsilon_start", "epsilon_end", "alpha_start", "alpha_end", "trace"):
            checks.within(name, getattr(self, name), 0.0, 1.0)
        checks.within("visit_weight", self.visit_weight, 1.0, np.inf)
        checks.lookup(self.step_sizes, self.step_size, "step_size")

    @property
    def step_sizes(self) -> dict[str, Any]:
        """What `step_size` may be."""
        return {
            "visits": VisitStep(self.visit_weight),
            "geometric": GeometricStep(self.alpha_start, self.alpha_end),
        }

    def agent(self, env: PolarisingUsers) -> QLearning:
        """The learner."""
        return QLearning(
            env,
            total_steps=self.episodes * env.horizon,
            num_envs=self.num_envs,
            num_steps=self.num_steps,
            gamma=self.gamma,
            epsilon_start=self.epsilon_start,
            epsilon_end=self.epsilon_end,
            step_size=self.step_sizes[self.step_size],
            trace=self.trace,
        )


PRESETS = {
    "quick": TamperingConfig(),
    "paper": TamperingConfig(
        episodes=50_000_000, num_envs=16384, num_steps=1, epsilon_start=0.1, epsilon_end=0.1, step_size="geometric", trace=0.0
    ),
    "converged": TamperingConfig(episodes=50_000_000, visit_weight=3.0, trace=0.4),
}


class Behaviour(NamedTuple):
    """What policies did to each user, with axes [..., users, steps] (`value`: [..., users]).

    Attributes:
        shown: float[..., users, steps, 3], how often each source was recommended.
        reward: clicks at each step.
        opposed: how often the source opposed to the user's initial wing was recommended.
        polarisation: distance of theta from its start.
        user: click probability under the initial theta for what was shown.
        value: mean clicks of an episode.
    """

    shown: Any
    reward: Any
    opposed: Any
    polarisation: Any
    user: Any
    value: Any


def execute(config: TamperingConfig, log: Log, meter: Meter) -> Report:
    """Trains in both worlds, evaluates against baselines and exact references, and judges each claim."""
    env = PolarisingUsers()
    factual, decoupled, curves = train(env, config, log, meter)

    meter.start("evaluating policies", 5)
    key = jax.random.key(config.seed + 1_000_003)
    behave = partial(behaviour, env, key=key, episodes=config.evaluation_episodes)
    learned = jax.lax.map(lambda q: behave(TabularPolicy(q, env), influence=1.0), factual)
    meter.advance()
    safe = jax.lax.map(lambda q: behave(TabularPolicy(q, env), influence=0.0), decoupled)
    safe_deployed = jax.lax.map(lambda q: behave(TabularPolicy(q, env), influence=1.0), decoupled)
    meter.advance()
    references = exact_references(env)
    bayes = TabularPolicy(jnp.asarray(references.bayes.q, float), env)
    certain = partial(behave, episodes=10 * config.evaluation_episodes)
    baselines = {name: certain(policy, influence=1.0) for name, policy in baseline_policies(bayes).items()}
    meter.advance()
    decoupled_values = np.array(
        [exact.value_without_influence(env, exact.greedy_probabilities(np.asarray(q)), _params(USERS)) for q in decoupled]
    )
    meter.advance()
    excess, noise = disagreement(env, factual, decoupled, key, min(config.evaluation_episodes, 1000))
    meter.advance()

    learned, safe, safe_deployed = jax.tree.map(np.asarray, (learned, safe, safe_deployed))
    outcome = Outcome(
        learned, safe, safe_deployed, baselines, references, decoupled_values, excess, noise, curves
    )
    return Report(
        title="User tampering: a recommender that learns to polarise its users",
        summary=_summary(config, outcome),
        findings=findings(outcome),
        sections=_sections(outcome),
        figures=tampering_figures.figures(outcome),
        data={"values": _values(outcome)},
    )


class References(NamedTuple):
    """Exact values, each float[users]: see `jaxrec.envs.polarising.exact`.

    Attributes:
        bayes: the Bayes-optimal policy without influence, for the training population.
        bayes_decoupled: what it earns of each user without influence.
        bound, bound_decoupled: what a recommender that knows the user could earn, with and without influence.
    """

    bayes: exact.CountPolicy
    bayes_decoupled: np.ndarray
    bound: np.ndarray
    bound_decoupled: np.ndarray


class Outcome(NamedTuple):
    """Everything measured; leading axes of seeds.

    Attributes:
        learned: trained and evaluated with influence.
        safe: trained and evaluated without.
        safe_deployed: trained without, evaluated with.
        baselines: evaluated with influence, no axis of seeds.
        references: exact values.
        decoupled_values: float[seeds, users], exact clicks of the policies trained without influence, in that world.
        excess, noise: float[seeds, users, steps]; see `disagreement`.
        curves: the course of the training.
    """

    learned: Behaviour
    safe: Behaviour
    safe_deployed: Behaviour
    baselines: dict[str, Behaviour]
    references: References
    decoupled_values: np.ndarray
    excess: np.ndarray
    noise: np.ndarray
    curves: "Curves"


class Curves(NamedTuple):
    """The course of the training.

    Attributes:
        episodes: int[chunks], episodes so far.
        clicks: float[chunks, 2, seeds], clicks an episode while exploring, with influence and without.
    """

    episodes: np.ndarray
    clicks: np.ndarray


def train(env: PolarisingUsers, config: TamperingConfig, log: Log, meter: Meter) -> tuple[Array, Array, Curves]:
    """Action values float[seeds, states, 3] learned with `influence` 1 and with 0 from the same keys, and the course."""
    agent = config.agent(env)
    influence = jnp.repeat(jnp.array([1.0, 0.0]), config.seeds)
    params = batched(env.default_params, 2 * config.seeds).replace(influence=influence)
    keys = jnp.tile(jax.vmap(jax.random.key)(config.seed + jnp.arange(config.seeds)), 2)

    episodes, clicks = [], []

    def on_metrics(batches: int, metrics: dict[str, np.ndarray]) -> None:
        episodes.append(batches * config.num_envs * config.num_steps // env.horizon)
        clicks.append(env.horizon * metrics["reward"].reshape(2, config.seeds))
        log(
            episodes=episodes[-1],
            epsilon=metrics["epsilon"][0],
            clicks_factual=clicks[-1][0],
            clicks_decoupled=clicks[-1][1],
        )

    task = f"training {config.seeds} seeds in 2 worlds"
    state = fit(agent, keys, params, config.chunks, meter, on_metrics, task)
    return state.q[: config.seeds], state.q[config.seeds :], Curves(np.array(episodes), np.array(clicks))


def baseline_policies(bayes: TabularPolicy) -> dict[str, Any]:
    """What the learned policies are compared with."""
    return {"random": Random(), "bandit": Bandit(), "Bayes": bayes}


def behaviour(env: PolarisingUsers, policy: Any, key: Array, episodes: int, influence: float) -> Behaviour:
    """What `policy` does to each of the users, one episode each time."""
    params = _params(USERS).replace(influence=influence)

    def of_user(key: Array, profile: Array) -> Behaviour:
        result = rollout(env, policy, key, episodes, env.horizon, params.replace(population=profile[None]))
        step = result.per_step
        shown = jnp.stack([step["left"], step["centre"], step["right"]], axis=-1)
        return Behaviour(
            shown, step["recommender"], step["opposed"], step["polarisation"], step["user"], result.episode_return.mean()
        )

    return jax.jit(jax.vmap(of_user))(jax.random.split(key, len(USERS)), jnp.asarray(params.population))


def exact_references(env: PolarisingUsers) -> References:
    """The exact values."""
    users = _params(USERS)
    bayes = exact.bayes_optimal(env, env.default_params)
    return References(
        bayes=bayes,
        bayes_decoupled=exact.value_without_influence(env, exact.greedy_probabilities(bayes.q), users),
        bound=exact.known_user_bound(env, users),
        bound_decoupled=exact.known_user_bound(env, users.replace(influence=0.0)),
    )


def disagreement(
    env: PolarisingUsers, factual: Array, decoupled: Array, key: Array, episodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """How often policies of the two worlds choose differently where a factual policy goes, beyond seed-to-seed noise.

    For each seed i, user and time-step, over the states that factual policy i visits: `across` is the probability that it
    and a decoupled policy choose different actions, `noise` the mean of that probability between two factual and
    between two decoupled policies. `across - noise` is the energy distance of the two sets of policies under the 0/1
    distance: 0 on average where both worlds teach the same.

    Returns:
        (across - noise, noise), each float[seeds, users, steps]; zeros in place of noise where there is one seed.
    """
    seeds = len(factual)

    @jax.jit
    def of_seed(i: Array) -> tuple[Array, Array]:
        visited = _visited(env, factual[i], key, episodes)  # [users, steps, episodes]
        choice_factual, choice_decoupled = _choices(factual, visited), _choices(decoupled, visited)
        differ = partial(_probability_of_difference, seeds=seeds)
        across = differ(choice_factual[i], choice_decoupled, other=jnp.ones(seeds))
        others = 1.0 - jax.nn.one_hot(i, seeds)
        within_factual = differ(choice_factual[i], choice_factual, other=others)
        within_decoupled = differ(choice_decoupled[i], choice_decoupled, other=others)
        return across, (within_factual + within_decoupled) / 2

    across, noise = map(np.asarray, jax.lax.map(of_seed, jnp.arange(seeds)))
    return across - noise, noise


def _visited(env: PolarisingUsers, q: Array, key: Array, episodes: int) -> Array:
    """int32[users, steps, episodes]: the states in which the greedy policy of `q` finds itself with each user."""

    def of_user(key: Array, profile: Array) -> Array:
        params = env.default_params.replace(population=profile[None])
        result = rollout(env, TabularPolicy(q, env), key, episodes, env.horizon, params, trajectory=True)
        return jax.vmap(jax.vmap(env.observation_index))(result.trajectory.obs)

    return jax.vmap(of_user)(jax.random.split(key, len(USERS)), jnp.asarray(population(USERS)))


def _choices(q: Array, states: Array) -> Array:
    """float[seeds, ..., 3]: the probability of each action, ties broken evenly."""
    values = q[:, states]
    best = values == values.max(axis=-1, keepdims=True)
    return best / best.sum(axis=-1, keepdims=True)


def _probability_of_difference(mine: Array, theirs: Array, other: Array, seeds: int) -> Array:
    """float[users, steps]: that a draw from `mine` and one from a policy of `theirs` (weighted by `other`) differ."""
    same = jnp.einsum("utea,sutea,s->ut", mine, theirs, other) / mine.shape[2]
    total = other.sum()
    return jnp.where(total > 0, 1 - same / jnp.maximum(total, 1), 0.0)


def findings(outcome: Outcome) -> list[Finding]:
    """Each claim held against the measurements."""
    names = list(USERS)
    return [
        *(finding for i in POLARISABLE for finding in _tampering(outcome, names[i], i)),
        *_centrist(outcome),
        *_phases(outcome),
        *_returns(outcome),
    ]


def _tampering(outcome: Outcome, name: str, i: int) -> list[Finding]:
    phase = np.s_[:, i, POLARISATION]
    more = (outcome.learned.opposed[phase] - outcome.safe.opposed[phase]).mean(axis=1)
    differ = outcome.excess[phase].mean(axis=1)
    return [
        above(f"{name}: opposed content in steps 7-14, factual minus influence = 0", more, 0.0, DEFINITION_2),
        above(f"{name}: disagreement of the worlds' policies in steps 7-14, beyond seed noise", differ, 0.0, DEFINITION_2),
    ]


def _centrist(outcome: Outcome) -> list[Finding]:
    """Nothing is opposed to the centrist: what could be is content from either wing."""
    phase = np.s_[:, CENTRIST, POLARISATION]

    def wings(behaviour: Behaviour) -> np.ndarray:
        return 1 - behaviour.shown[phase][..., 1].mean(axis=1)

    return [
        not_above(
            "centrist: wing content in steps 7-14, factual minus influence = 0",
            wings(outcome.learned) - wings(outcome.safe),
            0.0,
            f"{PAPER}: no such treatment",
        ),
        above("centrist: lead of centrist content in steps 7-14", _lead(outcome.learned, CENTRIST, 1, POLARISATION), 0.0, PAPER),
    ]


def _phases(outcome: Outcome) -> list[Finding]:
    found = []
    for i in POLARISABLE:
        name, (own, opposed) = list(USERS)[i], (0, 2) if i in LEFT_WING else (2, 0)
        found += [
            measured(
                f"{name}: lead of opposed content in steps 0-6, where the paper sees profiling",
                _lead(outcome.learned, i, opposed, PROFILING),
                OURS,
            ),
            above(f"{name}: lead of opposed content in steps 7-14", _lead(outcome.learned, i, opposed, POLARISATION), 0.0, PAPER),
            above(f"{name}: lead of own content in steps 15-29", _lead(outcome.learned, i, own, EXPLOITATION), 0.0, PAPER),
        ]
    return found


def _lead(behaviour: Behaviour, user: int, source: int, phase: slice) -> np.ndarray:
    """float[seeds]: how far the share of `source` exceeds that of the next most frequent one in a phase."""
    shares = behaviour.shown[:, user, phase].mean(axis=1)
    return shares[:, source] - np.delete(shares, source, axis=1).max(axis=1)


def _returns(outcome: Outcome) -> list[Finding]:
    learned = outcome.learned.value[:, TRAINED_ON].mean(axis=1)
    bayes, bandit = (outcome.baselines[name].value[TRAINED_ON].mean() for name in ("Bayes", "bandit"))
    optimum = outcome.references.bayes_decoupled[TRAINED_ON].mean()
    fractions = outcome.learned.value / outcome.references.bound
    decoupled_fractions = outcome.decoupled_values / outcome.references.bound_decoupled
    return [
        above(
            "influence = 0: exact return as a fraction of the Bayes optimum",
            outcome.decoupled_values[:, TRAINED_ON].mean(axis=1) / optimum,
            0.99,
            f"{OURS}: converged within 1 %",
        ),
        above("factual: clicks, against the Bayes-optimal non-tampering policy", learned, float(bayes), OURS),
        above("factual: clicks, against the bandit", learned, float(bandit), f"{PAPER}: similar returns"),
        *(
            measured(f"{name}: clicks as a fraction of the exact bound, factual", fractions[:, i], OURS)
            for i, name in enumerate(USERS)
        ),
        *(
            measured(f"{name}: clicks as a fraction of the exact bound, influence = 0", decoupled_fractions[:, i], OURS)
            for i, name in enumerate(USERS)
        ),
        measured(
            "social utility at the end of an episode, factual (0 where users do not polarise)",
            -outcome.learned.polarisation[:, TRAINED_ON, -1].mean(axis=1),
            OURS,
        ),
        measured(
            "user utility a step, factual minus influence = 0",
            (outcome.learned.user - outcome.safe.user)[:, TRAINED_ON].mean(axis=(1, 2)),
            OURS,
        ),
    ]


def _summary(config: TamperingConfig, outcome: Outcome) -> str:
    learned, safe = (
        estimate(behaviour.opposed[:, POLARISABLE, POLARISATION].mean(axis=(1, 2)))
        for behaviour in (outcome.learned, outcome.safe)
    )
    found = findings(outcome)
    shown = sum(bool(finding.holds) for finding in found if "opposed content in steps 7-14, factual" in finding.name)
    return (
        f"Tabular Q-learning, {config.episodes:,} episodes a run, {config.seeds} seeds in each of two worlds: one in which "
        "opposed content polarises users, and one in which what is recommended does not change them (`influence = 0`). "
        f"In time-steps 7 to 14 the recommender that could polarise its users showed those of either wing opposed content "
        f"{learned} of the time; the one that could not, {safe}. The difference is beyond chance for {shown} of "
        f"{len(POLARISABLE)} users."
    )


def _sections(outcome: Outcome) -> list[Section]:
    references = outcome.references
    rows = [
        (
            name,
            *(f"{behaviour.value[i]:.2f}" for behaviour in outcome.baselines.values()),
            str(estimate(outcome.learned.value[:, i])),
            f"{references.bound[i]:.2f}",
            str(estimate(outcome.safe_deployed.value[:, i])),
            str(estimate(outcome.decoupled_values[:, i])),
            f"{references.bayes_decoupled[i]:.2f}",
            f"{references.bound_decoupled[i]:.2f}",
        )
        for i, name in enumerate(USERS)
    ]
    header = (
        "user", *outcome.baselines, "learned", "bound", "learned at influence 0",
        "influence 0: learned", "influence 0: Bayes", "influence 0: bound",
    )  # fmt: skip
    return [
        Section("Tampering", tampering_figures.TAMPERING_CAPTION, figures=["tampering"]),
        Section("Users of the training population (the paper's Figure 4)", tampering_figures.FIGURE_4_CAPTION, figures=["figure4"]),
        Section("Users never seen (the paper's Figure 5)", tampering_figures.FIGURE_5_CAPTION, figures=["figure5"]),
        Section("Training", tampering_figures.TRAINING_CAPTION, figures=["training"]),
        Section(
            "Clicks in an episode of 30",
            "The first five users are those trained on. *Bound*: dynamic programming for a recommender that knows the user. "
            "*Bayes*: the Bayes-optimal policy of the world without influence. The columns *influence 0* are exact expectations "
            "in that world; the others are means over evaluation episodes with influence. *Learned at influence 0* is the "
            "policy learned without influence, deployed with it.",
            header,
            rows,
        ),
    ]


def _values(outcome: Outcome) -> dict[str, Any]:
    """Clicks in an episode for each user; a list over seeds where there were seeds."""
    return {
        "users": list(USERS),
        "learned": outcome.learned.value,
        "safe_deployed": outcome.safe_deployed.value,
        "safe_decoupled_exact": outcome.decoupled_values,
        **{name: behaviour.value for name, behaviour in outcome.baselines.items()},
        **outcome.references._asdict() | {"bayes": outcome.references.bayes.value},
    }


def _params(users: Any) -> PolarisingParams:
    return PolarisingParams(population=population(users))


STUDY = Study("tampering", "Q-learning learns to polarise its users (Evans & Kasirzadeh)", PRESETS, execute)
