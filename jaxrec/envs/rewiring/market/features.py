"""Features of a market from which its future can be estimated; apart from time they do not depend on its size."""

import jax.numpy as jnp
from jax import Array

from jaxrec import graphs
from jaxrec.envs.rewiring.features import moments
from jaxrec.envs.rewiring.market.dynamics import MarketState
from jaxrec.envs.rewiring.market.observation import MarketObservation


def market_moments(obs: MarketObservation, state: MarketState) -> Array:
    """float32[66]: the moments of the society, and how the learner's users differ from the others.

    Users change to recommenders of fitter neighbours (Carvalho, "Modelling the Recommender Alignment Problem", section
    5.1): the drift of a share is a sum over ties between own and other users of differences of their payoffs; hence
    the means over own users of strategy, degree and cooperating neighbours, how many ties leave them, and the products
    of the share with what decides how many requests are left.
    """
    base = moments(obs, state)
    cooperates, degree, own = obs.nodes[:, 0], obs.nodes[:, 1], obs.nodes[:, 2]
    near = graphs.gather(obs.graph, jnp.stack([cooperates, own, cooperates * own, degree], axis=1))
    to_cooperators, to_own, _, _ = near.T
    of_own = jnp.stack([cooperates, degree, to_cooperators, to_own, cooperates * to_cooperators, cooperates * to_own])
    within = (of_own * own).mean(axis=1)
    share, cooperation, time = obs.share, cooperates.mean() - 0.5, state.clock * 1e-3
    powers = share ** jnp.arange(1, 5)
    course = jnp.stack([time, time**2, cooperation, cooperation**2, cooperation * time, obs.requested])
    parts = [base, powers, within, within * time, share * course, own[obs.focused][None], own[obs.partner][None]]
    return jnp.concatenate([*parts, (own[obs.focused] * obs.requested)[None]]).astype(jnp.float32)
