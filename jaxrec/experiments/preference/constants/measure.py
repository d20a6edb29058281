"""What the search for the unpublished constants measures: a screen, then trainings of the best candidates."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrec import random
from jaxrec.agents import NetworkPolicy
from jaxrec.envs.preference import exact
from jaxrec.envs.preference.dynamics import clipped_normal
from jaxrec.experiments.preference.constants import candidates
from jaxrec.experiments.preference.constants.candidates import INERTIA, OPTIMA
from jaxrec.experiments.preference.constants.distance import distances, misfit, stated
from jaxrec.experiments.preference.constants.screen import Screen, draws_of, screen
from jaxrec.experiments.preference.constants.settings import ENV, ConstantsConfig
from jaxrec.experiments.preference.constants.surrogate import CONDITIONS, outcomes
from jaxrec.experiments.preference.recommenders import as_lived, play
from jaxrec.experiments.preference.reference import METRICS
from jaxrec.experiments.runs.tools import Tools


@dataclass(frozen=True)
class Trained:
    """Candidates for which recommenders were trained.

    Attributes:
        candidates: float[candidates, 7], in the order of `candidates.COLUMNS`.
        values: float[candidates, seeds, conditions, 3], what each recommender earns.
        users: float[candidates, seeds, conditions, horizon + 1, 36], P(u_t).
        natural: float[candidates, horizon + 1, 36], the same under uniform slates, exact.
    """

    candidates: np.ndarray
    values: np.ndarray
    users: np.ndarray
    natural: np.ndarray

    @property
    def printed(self) -> np.ndarray:
        """bool[candidates]: which have the printed lambda."""
        return self.candidates[:, -3] == INERTIA

    @property
    def said(self) -> np.ndarray:
        """float[candidates, seeds, statements], what the paper's sentences are about."""
        return stated(self.values, self.users[..., -1, :], self.natural[:, None, -1])

    @property
    def misfits(self) -> np.ndarray:
        """float[candidates, seeds]."""
        return misfit(distances(self.values, self.said))

    @property
    def mean_misfits(self) -> np.ndarray:
        """float[candidates]: of the means over seeds, in which less noise of trainings is left."""
        return misfit(distances(self.values.mean(axis=1), self.said.mean(axis=1)))


@dataclass(frozen=True)
class Measured:
    """Everything measured.

    Attributes:
        screen: all candidates, played without training.
        shortlist: the best of the screen, best first, one training of each recommender.
        finalists: the constants fitted to optima, then the best of the shortlist, those with the printed lambda first,
            at several seeds.
        predicted: float[finalists, conditions, 3], what the screen predicted for them.
    """

    screen: Screen
    shortlist: Trained
    finalists: Trained
    predicted: np.ndarray

    @property
    def best(self) -> int:
        """The finalist that fits best, of those that keep the printed lambda, those fitted to optima not counted."""
        misfits = np.where(self.finalists.printed, self.finalists.mean_misfits, np.inf)
        return 1 + int(misfits[1:].argmin())


def measure(config: ConstantsConfig, tools: Tools) -> Measured:
    """Screens candidates, trains for the best of them, and again at several seeds for the best of those.

    Args:
        config: the settings.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        Everything measured.
    """
    found = screen(config, tools)
    chosen = candidates.constants_of(found.points[found.shortlist(config.shortlist)])
    first, second = jax.random.split(random.key(config.seed, "threefry"))
    shortlist = train(config, chosen, 1, config.shortlist_steps, first, tools)
    ranked = np.argsort(shortlist.mean_misfits, kind="stable")
    free = config.finalists // 2
    best = [
        ranked[mine[ranked]][:size]
        for mine, size in ((shortlist.printed, config.finalists - free), (~shortlist.printed, free))
    ]
    finals = np.concatenate([OPTIMA[None], *(chosen[each] for each in best)])
    finalists = train(config, finals, config.seeds, config.steps, second, tools)
    predicted = predict(config, finals)
    return Measured(found, shortlist, finalists, predicted)


def predict(config: ConstantsConfig, rows: np.ndarray) -> np.ndarray:
    """float[candidates, conditions, 3]: what the screen predicts for candidates."""
    return np.asarray(outcomes(ENV, candidates.params_of(rows), draws_of(config)).values)


def train(config: ConstantsConfig, rows: np.ndarray, seeds: int, steps: int, key: Array, tools: Tools) -> Trained:
    """Trains all four recommenders for every candidate and seed, in one vmap, and plays them.

    Equal seeds draw equal random numbers in all candidates and conditions, so that differences are paired.

    Args:
        config: the settings.
        rows: float[candidates, 7], in the order of `candidates.COLUMNS`.
        seeds: trainings of each.
        steps: environment steps of each training.
        key: a typed key.
        tools: its log takes lines of metrics, its meter is notified of the progress.

    Returns:
        What they do.
    """
    shape = (len(rows), seeds, len(CONDITIONS))
    at, seed, condition = (each.ravel() for each in np.indices(shape))
    gammas, penalties = np.array(list(CONDITIONS.values()), np.float32)[condition].T
    gammas = np.where(gammas > 0, config.ppo.gamma, 0.0).astype(np.float32)
    params = candidates.params_of(rows[at]).replace(safe_weights=np.stack([penalties, penalties], axis=1))
    to_train, to_play = (jax.random.split(each, seeds)[seed] for each in jax.random.split(key))
    agent = config.agent(ENV, config.ppo.gamma, steps)
    task = f"training {len(rows)} candidates"

    def line(steps: int, metrics: dict[str, np.ndarray]) -> dict[str, Any]:
        return {"part": "training", "task": task, "steps": steps, "episode_return": metrics["episode_return"]}

    swept = {"gamma": jnp.asarray(gammas)}
    state, _ = tools.train(agent, to_train, params, task, config.num_chunks, line, swept=swept)
    policies = NetworkPolicy(state.network_params, agent.network)
    sums, users = play(ENV, policies, to_play, params, config.eval_episodes, as_lived)
    values = np.stack([sums[metric].mean(axis=1) for metric in METRICS], axis=-1)
    return Trained(rows, values.reshape(*shape, -1), users.reshape(*shape, *users.shape[1:]), natural(rows))


@jax.jit
def _natural(params: Any) -> Array:
    def of_one(params: Any) -> Array:
        start = clipped_normal(params.initial_mean, params.initial_deviation)
        return start @ exact.natural_preferences(ENV.tables(params), ENV.horizon + 1)

    return jax.lax.map(of_one, params)


def natural(rows: np.ndarray) -> np.ndarray:
    """float[candidates, horizon + 1, 36]: P(u_t) under uniform slates, exact."""
    return np.asarray(_natural(candidates.params_of(rows)))
