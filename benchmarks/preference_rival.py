"""PreferenceShift-v0 in NumPy, one user at a time and many at once: what the benchmark compares with.

Carroll et al. 2022, "Estimating and Penalizing Induced Preference Shifts in Recommender Systems", section 6 and
Appendix H. Shares no code with jaxrec.
"""

from typing import Any

import numpy as np

BINS, MEANS = 36, (0, 60, 120, 180, 240, 300)
COS = np.cos(2 * np.pi * (np.arange(BINS)[:, None] - np.arange(BINS)) / BINS)


def around(mean: float, deviation: float) -> np.ndarray:
    """A clipped normal."""
    away = (10.0 * np.arange(BINS) - mean + 180) % 360 - 180
    weights = np.exp(-((away / deviation) ** 2) / 2)
    return weights / weights.sum()


def rows(weights: np.ndarray) -> np.ndarray:
    """Each row a distribution."""
    return weights / weights.sum(axis=-1, keepdims=True)


def sharpness() -> np.ndarray:
    """beta_c."""
    away = [(10.0 * np.arange(BINS) - centre + 180) % 360 - 180 for centre in (80, 270)]
    return 0.293 + 0.707 * np.exp(-((away[0] / 104) ** 2) / 2) + 3.707 * np.exp(-((away[1] / 35.6) ** 2) / 2)


def choices(slate: np.ndarray) -> np.ndarray:
    """P(x | s, u), [u, x]."""
    return rows(slate * np.exp(sharpness()[:, None] * COS))


def shifts(slate: np.ndarray) -> np.ndarray:
    """P(u' | s, u), [u, u']."""
    chosen = choices(slate**3)
    worth = 0.9 * COS @ chosen.T + 0.1 * (chosen * COS).sum(axis=1)
    return rows(np.exp(48.5 * (worth - worth.max(axis=1, keepdims=True))))


SLATES = [around(mean, 60) for mean in MEANS]
CHOICE, SHIFT, NATURAL = [choices(s) for s in SLATES], [shifts(s) for s in SLATES], shifts(np.ones(BINS))


def play(episodes: int, infer: bool, rng: Any, horizon: int = 10) -> np.ndarray:
    """Engagement of each episode under slates drawn at random; with beliefs updated at every step if `infer`."""
    returns = np.zeros(episodes)
    first = around(130, 20)
    for episode in range(episodes):
        user = rng.choice(BINS, p=first)
        joint, natural = np.diag(first), np.eye(BINS)
        for _ in range(horizon):
            slate = rng.integers(len(SLATES))
            item = rng.choice(BINS, p=CHOICE[slate][user])
            returns[episode] += COS[item, user]
            user = rng.choice(BINS, p=SHIFT[slate][user])
            if infer:
                joint = joint * CHOICE[slate][:, item]
                joint = (joint / joint.sum()) @ SHIFT[slate]
                natural = natural @ NATURAL
    return returns


def draw_each(probabilities: np.ndarray, rng: Any) -> np.ndarray:
    """One bin of each row."""
    reached = probabilities.cumsum(axis=1)
    return (reached > rng.random((len(reached), 1)) * reached[:, -1:]).argmax(axis=1)


def play_many(users: int, infer: bool, rng: Any, horizon: int = 10) -> np.ndarray:
    """What `play` gives, of all users at once: arrays with an axis of users, in single precision, no loop over it."""
    choice, shift = np.stack(CHOICE).astype(np.float32), np.stack(SHIFT).astype(np.float32)
    natural, first, cosines = NATURAL.astype(np.float32), around(130, 20).astype(np.float32), COS.astype(np.float32)
    user = draw_each(np.broadcast_to(first, (users, BINS)), rng)
    returns = np.zeros(users)
    joint, naturally = np.broadcast_to(np.diag(first), (users, BINS, BINS)), np.eye(BINS, dtype=np.float32)
    for _ in range(horizon):
        slate = rng.integers(len(SLATES), size=users)
        item = draw_each(choice[slate, user], rng)
        returns += cosines[item, user]
        user = draw_each(shift[slate, user], rng)
        if infer:
            joint = joint * choice[slate, :, item][:, None, :]
            joint = joint / joint.sum(axis=(1, 2), keepdims=True)
            joint = np.matmul(joint, shift[slate])
            naturally = naturally @ natural
    return returns
