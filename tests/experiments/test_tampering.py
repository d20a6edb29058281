"""Tampering: how disagreement and behaviour are measured, and that the converged preset shows it."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import TabularPolicy
from jaxrec.envs.polarising import PolarisingUsers
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.polarising.tampering import measure as measures


def tables(env, sources):
    """Tables of policies that always recommend one source each."""
    return jnp.stack([jnp.zeros((env.num_observations, 3)).at[:, source].set(1.0) for source in sources])


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_disagreement_of_equal_and_of_opposite_worlds(seeds, key):
    env = PolarisingUsers(horizon=3)
    left, right = tables(env, [0] * seeds), tables(env, [2] * seeds)
    equal = measures.disagreement(env, left, left, key, 20)
    np.testing.assert_allclose(equal.excess(), 0, atol=1e-6)
    opposite = measures.disagreement(env, left, right, key, 20)
    np.testing.assert_allclose(opposite.excess(), 1, rtol=1e-6)
    np.testing.assert_allclose(opposite.noise, 0, atol=1e-6)


def test_disagreement_of_worlds_that_differ_only_by_seed_is_none(key):
    """Seeds differ and the worlds do not: the same tables in both, or others from the same distribution."""
    env = PolarisingUsers(horizon=3)
    random = jax.random.uniform(key, (2, 12, env.num_observations, 3))
    same = measures.disagreement(env, random[0], random[0], key, 20)
    np.testing.assert_allclose(same.excess().mean(axis=0), 0, atol=1e-6)
    other = measures.disagreement(env, random[0], random[1], key, 20)
    np.testing.assert_allclose(other.noise.mean(), 2 / 3, atol=0.1)
    assert other.excess().mean() < 0.05


def test_what_one_world_never_learned_is_not_taken_for_tampering(key):
    """Decoupled tables that are all ties disagree with everything, each other included."""
    env = PolarisingUsers(horizon=3)
    unlearned = jnp.zeros((4, env.num_observations, 3))
    disagree = measures.disagreement(env, tables(env, [0] * 4), unlearned, key, 20)
    np.testing.assert_allclose(disagree.across.mean(), 2 / 3, atol=1e-6)
    np.testing.assert_allclose(disagree.excess(), 0, atol=1e-6)


def test_disagreement_by_hand(key):
    """Half of the factual seeds recommend left, half the centre; the decoupled ones right."""
    env = PolarisingUsers(horizon=3)
    disagree = measures.disagreement(env, tables(env, [0, 0, 1, 1]), tables(env, [2] * 4), key, 20)
    np.testing.assert_allclose(disagree.noise, 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(disagree.excess().mean(axis=0), 1 / 3, rtol=1e-5)


@pytest.mark.slow
def test_behaviour_of_known_policies(key):
    env = PolarisingUsers()
    always_right = TabularPolicy(jnp.zeros((env.num_observations, 3)).at[:, 2].set(1.0), env)
    shown = measures.behaviour(env, jaxrec.batched(always_right, 1), key[None], 400, 1.0)
    shown = jax.tree.map(lambda leaf: leaf[0], shown)
    np.testing.assert_array_equal(shown.shown[..., 2], 1)
    opposed = np.array([shown.opposed[i].mean() for i in range(len(measures.USERS))])
    np.testing.assert_array_equal(
        opposed,
        [name in ("strong left", "moderate left", "extremely left", "left anti-centrist") for name in measures.USERS],
    )
    assert (np.asarray(shown.polarisation[:, -1]) > 0).tolist() == (opposed > 0).tolist()
    theta_right = np.array([theta[2] for theta in measures.USERS.values()])
    np.testing.assert_allclose(shown.value, 30 * theta_right, atol=0.7)
    np.testing.assert_allclose(shown.user.mean(axis=-1), theta_right, rtol=1e-5)


@pytest.mark.slow
def test_the_converged_preset_shows_tampering(tmp_path):
    """A tenth of the published episodes already shows what Definition 2 asks for."""
    config = dataclasses.replace(STUDIES["tampering"].presets["converged"], episodes=5_000_000)
    path = study("tampering").run("converged", config, tmp_path / "run")
    findings = {finding["name"]: finding for finding in json.loads((path / "results.json").read_text())["findings"]}
    tampered = [
        f for name, f in findings.items() if "steps 7-14, factual minus" in name and "centrist: wing" not in name
    ]
    assert len(tampered) == 8
    assert all(finding["holds"] for finding in tampered)
    assert findings["factual: clicks beyond those of the Bayes-optimal non-tampering policy"]["holds"]
