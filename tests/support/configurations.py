"""Environments to fuzz: what is static as hypothesis strategies, run-time values drawn over their documented ranges.

Static values may also be such as cannot be: they must be refused.
"""

import math
from functools import partial

import jax
import numpy as np
from hypothesis import strategies as st

import jaxrec
from jaxrec.checks import LARGEST
from jaxrec.envs.learned import BeliefTransformer
from jaxrec.envs.learned.env import MAX_WEIGHT
from jaxrec.envs.rewiring import HEURISTICS, Rules

INFINITY = float("inf")

# Static.


def of(**values):
    """Arguments, each left out or drawn."""
    return st.fixed_dictionaries({}, optional=values)


def counts(most):
    """Mostly positive."""
    return st.integers(1, most) | st.integers(-1, 1)


rewards = st.sampled_from(["engagement", "aligned", "penalised"])
angles = st.sampled_from([0.0, 5.0, 130.0, 359.9, 360.0]) | st.floats(0, 360)
widths = st.sampled_from([1e-3, 60.0, INFINITY]) | st.floats(0, 400)
slates = st.lists(angles, min_size=1, max_size=5).map(tuple)
items = st.lists(st.integers(0, 35), min_size=1, max_size=3).map(
    lambda chosen: tuple(tuple(np.eye(36)[item].tolist()) for item in chosen)
)
shown = {
    "horizon": counts(6),
    "slate_means": slates,
    "slate_deviations": widths | st.lists(widths, min_size=1, max_size=3).map(tuple),
    "slate_items": items,
    "counts": st.sampled_from(["dwell", "click"]),
    "reward": rewards,
}
rules = st.sampled_from(["carvalho", "santos", "printed", "learning"]) | st.builds(
    Rules,
    st.just("own"),
    st.sampled_from(["fermi", "clipped"]),
    st.sampled_from(["imitation", "self", "none"]),
    st.sampled_from(["neighbour", "edge"]),
    st.sampled_from(["focal", "either"]),
    st.sampled_from(["coins", "half"]),
    st.integers(0, 3),
)
transformers = st.builds(
    BeliefTransformer,
    width=st.sampled_from([2, 4, 6, 8]),
    heads=st.sampled_from([1, 2, 4]),
    layers=st.integers(1, 2),
    mixtures=counts(4),
    dropout=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    concentration=st.sampled_from([0.0, 1e-3, 8.0, LARGEST]),
)
rewired = {
    "num_users": st.integers(1, 40) | st.sampled_from([64, 65]),
    "degree": st.integers(1, 8),
    "rules": rules,
    "graph": st.sampled_from(["regular", "uniform"]),
    "observe_as": st.sampled_from(["dense", "graphs_tuple"]),
    "max_wait": counts(5),
    "any_payoffs": st.booleans(),
    "reward": rewards,
}
ENVIRONMENTS = {
    "PolarisingUsers-v0": of(
        horizon=counts(6) | st.sampled_from([77, 78, 2**31 - 1, 2**31, 10**12]),
        factor_per=st.sampled_from(["step", "episode"]),
        reward=rewards,
    ),
    "RewiringGame-v0": of(**rewired),
    "RewiringMarket-v0": of(
        **rewired,
        rivals=st.lists(st.sampled_from(sorted(HEURISTICS)), max_size=3).map(tuple),
        exclusive=st.booleans(),
        learners=counts(2),
    ),
    "PreferenceShift-v0": of(
        **shown,
        observe_as=st.sampled_from(["choices", "beliefs", "state"]),
        paid_for=st.sampled_from(["belief", "sampled"]),
    ),
    "LearnedUsers-v0": st.fixed_dictionaries(
        {"network": transformers}, optional=shown | {"observe_as": st.sampled_from(["choices", "beliefs"])}
    ),
}

# Run-time values: (low, high) of each parameter, as `check_params` documents them.

ANY = (-LARGEST, LARGEST)
STRENGTH = (0.0, LARGEST)
SHARE = (0.0, 1.0)
EVERYWHERE = {"influence": SHARE}
CHOICES = EVERYWHERE | {
    "choice_base": STRENGTH,
    "choice_centres": (0.0, 360.0),
    "choice_heights": STRENGTH,
    "choice_widths": (1e-3, LARGEST),
    "bait_height": STRENGTH,
    "bait_centre": (0.0, 360.0),
    "bait_width": (1e-3, LARGEST),
    "bait_cost": STRENGTH,
    "safe_weights": ANY,
}
REWIRED = EVERYWHERE | {
    "beta": STRENGTH, "temptation": (0.0, 2.0), "sucker": (-1.0, 1.0), "timescale": (0.0, INFINITY),
    "time_limit": (1, 2**31 - 1),
}  # fmt: skip
RANGES = {
    "PolarisingUsers": EVERYWHERE | {"population": SHARE, "ceiling": SHARE},
    "RewiringGame": REWIRED,
    "RewiringMarket": REWIRED | {"recommender_timescale": (0.0, INFINITY), "recommender_beta": STRENGTH},
    "PreferenceShift": CHOICES | {
        "initial_mean": (0.0, 360.0), "initial_deviation": (1e-3, LARGEST), "rationality": STRENGTH, "inertia": SHARE,
    },
    "LearnedUsers": CHOICES,
}  # fmt: skip


def draws(rng, low, high, shape):
    """Ends, small numbers and zero where they are within; uniform; and of any order of magnitude, of either sign."""
    edges = [x for x in (low, high, 0.0, 1.0, -1.0, 1e-30, 1e-6, 0.3, 20.0) if low <= x <= high]
    below = min(high, 1e30)
    orders = 10.0 ** rng.uniform(-8, math.log10(below), shape) * np.where(low < 0, rng.choice([-1.0, 1.0], shape), 1.0)
    kinds = [
        rng.choice(np.asarray(edges, float), shape),
        rng.uniform(low, below, shape),
        np.clip(orders, low, high),
        rng.uniform(low, min(high, low + 3), shape),
    ]
    return np.choose(rng.choice(4, shape, p=[0.4, 0.15, 0.25, 0.2]), kinds)


def run_time_values(env, rng, sets, tame=0):
    """Parameters of `env` with a leading axis of sets; the first `tame` of them differ little from the default."""
    params = env.default_params
    ranges = RANGES[env.name] | ({"temptation": ANY, "sucker": ANY} if getattr(env, "any_payoffs", False) else {})
    values = {name: draws(rng, *ranges[name], (sets, *np.shape(getattr(params, name)))) for name in ranges}
    usual = rng.uniform(0.9, 1, sets) * (np.arange(sets) < tame)
    for name, (low, high) in ranges.items():
        default = np.asarray(getattr(params, name), float)
        factor = usual.reshape(sets, *[1] * default.ndim)
        values[name] = np.where(factor > 0, np.clip(default * factor, low, high), values[name])
    weights = {party: draws(rng, *ANY, (sets,)) for party in ("recommender", "user", "society")}
    weights = {party: np.where(usual > 0, 1.0, drawn) for party, drawn in weights.items()}
    values["reward_weights"] = jaxrec.Utilities(**weights)
    if "population" in ranges:
        factors = np.sort(draws(rng, 1.0, LARGEST, (2, sets)), axis=0)
        values["factor_low"], values["factor_high"] = np.where(usual > 0, [[1.01], [1.1]], factors)
    if env.name == "RewiringMarket":  # whole users, one at least for each learner
        users = rng.multinomial(env.num_users - env.learners, rng.dirichlet(np.ones(params.shares.size)), sets)
        users[:, : env.learners] += 1
        values["shares"] = np.where(usual[:, None] > 0, params.shares, users / env.num_users)
    if env.name == "LearnedUsers":
        values["weights"] = jax.tree.map(lambda leaf: _scaled(leaf, rng, usual), params.weights)
    return params.replace(**{name: jax.tree.map(partial(numbers, name), value) for name, value in values.items()})


def numbers(name, values):
    return np.asarray(values, np.int32 if name == "time_limit" else jax.dtypes.canonicalize_dtype(float))


def _scaled(leaf, rng, usual):
    """Weights of a network: noise of any size."""
    shape = (len(usual), *[1] * leaf.ndim)
    size = np.where(usual > 0, 0.3, rng.choice([0.0, 1e-3, 1.0, 30.0, MAX_WEIGHT], len(usual))).reshape(shape)
    return np.asarray(np.clip(size * rng.normal(size=(len(usual), *leaf.shape)), -MAX_WEIGHT, MAX_WEIGHT), leaf.dtype)
