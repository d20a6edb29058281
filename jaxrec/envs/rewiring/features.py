"""Features of a society from which its future can be estimated; apart from time they do not depend on its size."""

import jax.numpy as jnp
from jax import Array

from jaxrec import graphs
from jaxrec.envs.rewiring.observation import Observation
from jaxrec.envs.rewiring.requests import RewiringState


def moments(obs: Observation, state: RewiringState) -> Array:
    """float32[41]: the share of cooperators, neighbourhoods to second order, the meeting, and the time.

    Users imitate neighbours by the difference of their payoffs (Carvalho, "Modelling the Recommender Alignment
    Problem", section 3.1). Under weak selection the drift of cooperation is then a sum over users of products of
    their numbers of cooperating and defecting neighbours, n_c and n_d; hence, for each strategy, the mean
    over all users of n_c, n_d, n_c^2, n_c n_d, n_d^2 and 1 / (n_c + n_d) (0 without ties), with n_c and n_d divided by
    the mean degree.
    """
    cooperates, degree = obs.nodes[:, 0], obs.nodes[:, 1]
    to_cooperators = graphs.gather(obs.graph, obs.nodes)[:, 0]
    to_defectors = degree - to_cooperators
    each = jnp.stack(
        [
            to_cooperators,
            to_defectors,
            to_cooperators**2,
            to_cooperators * to_defectors,
            to_defectors**2,
            jnp.where(degree > 0, 1 / jnp.where(degree > 0, degree, 1), 0),
        ]
    )
    neighbourhoods = jnp.concatenate([(each * cooperates).mean(axis=1), (each * (1 - cooperates)).mean(axis=1)])
    share = cooperates.mean() - 0.5
    powers = share ** jnp.arange(1, 6)
    time = state.clock * 1e-3
    met = jnp.stack([cooperates[obs.focused], degree[obs.focused], degree[obs.partner], obs.requested])
    times = jnp.stack([time, time**2, share * time, share * time**2])
    parts = [powers, neighbourhoods, share * neighbourhoods, met, share * met, times]
    return jnp.concatenate(parts).astype(jnp.float32)
