"""Users who see random slates, their logs, and a small model to learn them with."""

import jax.numpy as jnp
import numpy as np

from jaxrec.envs.learned import BeliefTransformer, LearnedUsers
from jaxrec.estimation import Logs

STEPS = 4
SLATES = {  # the last is uniform
    "horizon": STEPS,
    "slate_means": (80.0, 200.0, 320.0, 0.0),
    "slate_deviations": (60.0, 60.0, 60.0, float("inf")),
}
NETWORK = BeliefTransformer(width=8, layers=1, mixtures=2)
MODEL = LearnedUsers(**SLATES, network=NETWORK)
KINDS = ("future", "initial", "counterfactual")
TELLING = {"choice_base": 2.0, "choice_heights": np.array([2.0, 2.0], np.float32)}  # choices say much of preferences


def logs_of(slates, choices, valid=None):
    valid = np.ones(np.shape(choices), bool) if valid is None else valid
    return Logs(
        slates=jnp.asarray(slates, jnp.float32),
        choices=jnp.asarray(choices, jnp.int32),
        valid=jnp.asarray(valid),
        policy=jnp.zeros(len(choices), jnp.int32),
        policies=("any",),
    )


def scribbled_logs(users, steps=STEPS, seed=0):
    """Of slates and choices at random."""
    rng = np.random.default_rng(seed)
    return logs_of(rng.dirichlet(np.ones(36), (users, steps)), rng.integers(36, size=(users, steps)))
