"""The study of offline learning: what a small run holds against exact values, and that its claims can fail."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import TabularPolicy
from jaxrec.experiments import study
from jaxrec.experiments.preference.offline.claims import BELIEVED, CLOSED, SAFER
from jaxrec.experiments.preference.offline.measure import Measured, effect, references, table
from jaxrec.experiments.preference.offline.settings import ENV, OfflineConfig
from jaxrec.offline import METHODS

TINY = OfflineConfig(
    seeds=2, users=(30, 60), explorations=(0.2, 1.0), thresholds=(0.05,), pessimisms=(1.0,), resamples=4
)


def found(worth, believed, safe, logged=6.0):
    """Everything measured, of five seeds, with one learner of each kind on two platforms."""
    apart = np.linspace(-0.01, 0.01, 5)
    shape = (2, 2, 3)
    true = np.empty((*shape, 3, 5))
    true[..., 0, :], true[..., 1:, :] = worth + apart, safe / 2 + apart
    users = np.full((11, 36), 1 / 36)
    return Measured(
        believed=np.broadcast_to(believed + apart, (*shape, 5)),
        worth=true,
        preferences=np.broadcast_to(users, (2, 3, 11, 36)),
        logged=np.full((2, 3), logged),
        logged_preferences=np.broadcast_to(users, (2, 11, 36)),
        references={name: np.array([7.0, -0.5, -0.5]) for name in ("optimum", "myopic", "random")},
        reference_preferences=dict.fromkeys(("optimum", "myopic", "random"), users),
        natural=users,
        estimates={name: np.full((2, 5, 3), 7.0) for name in METHODS},
    )


@pytest.mark.parametrize(
    ("worth", "believed", "safe", "held"),
    [
        (6.5, 9.0, 2.0, {"optimism": True, "closed": True, "safer": True}),
        (6.99, 6.9, -3.0, {"optimism": False, "closed": False, "safer": False}),
        (6.5, 6.495, -1.0, {"optimism": False, "closed": True, "safer": False}),
    ],
)
def test_what_is_claimed_can_fail(worth, believed, safe, held):
    measured = found(worth, believed, safe)
    findings = {claim.name: claim.finding(measured) for claim in study("offline").claims(TINY)}
    first, last = "platform with 20 % random slates", "random platform"
    assert findings[f"{first}, upwards: {BELIEVED}"].verdict is held["optimism"]
    assert findings[f"{first}: {CLOSED}"].verdict is held["closed"]
    assert findings[f"{first}, threshold 0.05: {SAFER}"].verdict is held["safer"]
    assert findings[f"{last}: {CLOSED}"].verdict is None
    assert findings[f"{last}, threshold 0.05: {SAFER}"].claimed is False
    assert findings[f"{first}, threshold 0.05: engagement beyond the platform's"].value == pytest.approx(worth - 6)


@pytest.mark.slow
def test_what_is_said_to_be_exact_is_what_playing_gives(key):
    """The worth of a table that a learner might have, by 4000 users who are served by it."""
    q = jax.random.normal(key, (ENV.num_observations, ENV.num_actions))
    best = jnp.moveaxis(jax.nn.one_hot(q.reshape(-1, 36, 6)[:10].argmax(axis=-1), 6), -1, 1)
    exactly = effect(jnp.repeat(best[:, :, None], 36, axis=2))
    names = ("engagement", "engagement_initial", "engagement_natural")
    played = jaxrec.evaluate(ENV, TabularPolicy(q, ENV), key, 4000)
    for name, value in zip(names, exactly.worth, strict=True):
        one = played.estimate(name)
        assert abs(one.value - value) < 1.5 * (one.high - one.low)
    random = jaxrec.evaluate(ENV, table(references()["random"]), key, 4000).estimate("engagement")
    assert abs(random.value - effect(references()["random"]).worth[0]) < 1.5 * (random.high - random.low)


def planned(ahead):
    """float: engagement of the best plan that looks so many steps ahead, 10 or 1, by backward induction in NumPy."""
    tables = jax.tree.map(np.asarray, ENV.tables(ENV.default_params))
    degrees = np.radians(10 * np.arange(36))
    paid = tables.liked[..., 0] * np.cos(degrees) + tables.liked[..., 1] * np.sin(degrees)  # [slate, u]
    later = np.zeros(36)
    for _ in range(10):
        judged = paid + (ahead > 1) * np.einsum("auv,v->au", tables.shift, later)
        best = np.isclose(judged, judged.max(axis=0), rtol=0, atol=1e-5)
        later = np.mean(paid + np.einsum("auv,v->au", tables.shift, later), axis=0, where=best)
    away = (10 * np.arange(36) - 130 + 180) % 360 - 180
    users = np.exp(-0.5 * (away / 20) ** 2)
    return users @ later / users.sum()


@pytest.mark.slow
def test_a_tiny_run_has_every_learner(tmp_path):
    folder = study("offline").run(config=TINY, out=tmp_path / "run")
    results = json.loads((folder / "results.json").read_text())
    assert results["learners"] == ["upwards", "threshold 0.05", "pessimism 1"]
    assert np.shape(results["believed"]) == (2, 2, 3, 2)
    assert np.shape(results["worth"]) == (2, 2, 3, 3, 2)
    assert results["references"]["optimum"][0] == pytest.approx(planned(10), abs=0.005)
    assert results["references"]["myopic"][0] == pytest.approx(planned(1), abs=0.005)
    assert np.max(np.array(results["worth"])[..., 0, :]) < results["references"]["optimum"][0] + 1e-4
    assert np.all(np.array(results["believed"])[:, :, 0] > 9)
    assert {path.stem for path in (folder / "figures").iterdir()} >= {"believed", "thresholds", "safety", "shifts"}
    again = study("offline").run(config=dataclasses.replace(TINY), out=tmp_path / "again")
    assert (again / "results.json").read_text() == (folder / "results.json").read_text()
