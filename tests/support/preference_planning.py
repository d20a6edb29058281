"""A recommender that sees choices alone plans for users whose preferences shift: a program of its own, in NumPy.

Plans are found for beliefs that it simulates itself, backwards in time. The worth of a plan is linear in the belief, so
that the best of them is earned from whatever belief it was sought for (point-based value iteration).
"""

import numpy as np
from preference_loops import plain_choice, plain_cos, plain_shift, plain_slate

FIRST, SPREAD = 130, 20
HORIZON = 10
NEAR = np.array([i for i in range(36) if abs(10 * i - FIRST) <= 5 * SPREAD])
"""The first preferences that occur; 6e-7 of all users are beyond."""


class Society:
    """The society as arrays: `choice` [a, u, x], `shift` [a, u, v], `paid` [t, a, i, u] and `start` [i, u]."""

    def __init__(self, constants, means, safe):
        slates = [plain_slate(mean, 60) for mean in means]
        self.choice = np.array([[plain_choice(each, u, constants) for u in range(36)] for each in slates])
        self.shift = np.array([[plain_shift(each, u, constants) for u in range(36)] for each in slates])
        alone = np.array([plain_shift(np.full(36, 1 / 36), u, constants) for u in range(36)])
        judged = np.array([[plain_cos(x, u) for x in range(36)] for u in range(36)])
        liked = np.einsum("aux,jx->auj", self.choice, judged)  # of the item chosen under u, as j judges it
        natural, paid = np.eye(36)[NEAR], []
        for _ in range(HORIZON):
            now = np.einsum("auu->au", liked)[:, None, :]
            first, later = liked[:, :, NEAR].transpose(0, 2, 1), np.einsum("auj,ij->aiu", liked, natural)
            paid.append(now + safe[0] * first + safe[1] * later)
            natural = natural @ alone
        self.paid = np.array(paid)
        self.start = np.zeros((len(NEAR), 36))
        weights = np.exp(-(((10 * NEAR - FIRST) / SPREAD) ** 2) / 2)
        self.start[np.arange(len(NEAR)), NEAR] = weights / weights.sum()

    def known(self, late):
        """float: what is earned by whoever sees preferences, at once or one step late. No one else earns more."""
        worth = np.zeros((len(self.choice), len(NEAR), 36))
        for paid in self.paid[::-1]:
            if late:
                worth = paid + np.einsum("auv,biv->abiu", self.shift, worth).max(axis=1)
            else:
                worth = paid + np.einsum("auv,iv->aiu", self.shift, worth.max(axis=0))
        return (worth * self.start).sum(axis=(1, 2)).max() if late else (worth.max(axis=0) * self.start).sum()

    def rules(self):
        """Plans to begin with: for each time those of whoever sees preferences from the next step on."""
        plans, later = [], np.zeros((len(NEAR), 36))
        for paid in self.paid[::-1]:
            worth = paid + np.einsum("auv,iv->aiu", self.shift, later)
            plans.insert(0, (worth, np.arange(len(self.choice))))
            later = worth.max(axis=0)
        return plans

    def follow(self, plans, users, rng, random=0.0):
        """Serves users by the best plan for the belief about each: (float[users] earned, beliefs [t, users, i, u])."""
        first = rng.choice(len(NEAR), users, p=self.start.sum(axis=1))
        now, belief = NEAR[first], np.repeat(self.start[None], users, axis=0)
        earned, met = np.zeros(users), []
        for time, (worth, slates) in enumerate(plans):
            met.append(belief)
            best = slates[np.tensordot(belief, worth, ([1, 2], [1, 2])).argmax(axis=1)]
            slate = np.where(rng.random(users) < random, rng.integers(len(self.choice), size=users), best)
            earned += self.paid[time, slate, first, now]
            choice = _drawn(self.choice[slate, now], rng)
            now = _drawn(self.shift[slate, now], rng)
            after = belief * self.choice[slate, :, choice][:, None, :]
            belief = (after / after.sum(axis=(1, 2), keepdims=True)) @ self.shift[slate]
        return earned, met

    def improved(self, met):
        """The best plan for each belief: a slate, and after each choice from it the best of the later plans."""
        plans, later = [], np.zeros((1, len(NEAR), 36))
        for paid, beliefs in zip(self.paid[::-1], met[::-1], strict=True):
            found = [self._best(belief, paid, later) for belief in beliefs]
            later = np.array([worth for worth, _ in found])
            plans.insert(0, (later, np.array([slate for _, slate in found])))
        return plans

    def _best(self, belief, paid, later):
        options = []
        for choice, shift in zip(self.choice, self.shift, strict=True):
            after = (belief[None] * choice.T[:, None, :]) @ shift  # [x, i, v], weighted by the chance of x
            worth = np.tensordot(after, later, ([1, 2], [1, 2]))
            options.append(worth.argmax(axis=1))
        totals = [self._worth(a, options[a], paid, later) for a in range(len(self.choice))]
        slate = int(np.argmax([(belief * total).sum() for total in totals]))
        return totals[slate], slate

    def _worth(self, slate, then, paid, later):
        return paid[slate] + np.einsum("ux,xiu->iu", self.choice[slate], later[then] @ self.shift[slate].T)

    def earns(self, plans):
        """float: what the best plan earns in an episode."""
        return (plans[0][0] * self.start).sum(axis=(1, 2)).max()


def _drawn(probabilities, rng):
    """int[users]: a draw from each row."""
    return (probabilities.cumsum(axis=1) > rng.random((len(probabilities), 1))).argmax(axis=1)
