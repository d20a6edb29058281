"""The studies of shifting preferences: what they write, how they judge, what they refuse."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.agents import PPOSettings
from jaxrec.envs.preference import fitted_params
from jaxrec.experiments import study
from jaxrec.experiments.preference.calibration import measure as calibration
from jaxrec.experiments.preference.calibration.measure import CONSTANTS, OPTIMA_CONSTANTS
from jaxrec.experiments.preference.calibration.study import CalibrationConfig
from jaxrec.experiments.preference.reference import METRICS, TABLE_1
from jaxrec.experiments.preference.shift.claims import ORDERINGS
from jaxrec.experiments.preference.shift.measure import natural, optima
from jaxrec.experiments.preference.shift.study import ShiftConfig

TINY = ShiftConfig(
    seeds=2,
    steps=640,
    ppo=PPOSettings(num_envs=8, num_steps=10, num_minibatches=2),
    hidden_size=8,
    eval_episodes=8,
    num_chunks=4,
    belief_points=4,
)


def finite(values):
    """All numbers in a nested JSON value."""
    if isinstance(values, dict):
        return all(finite(value) for value in values.values())
    if isinstance(values, list):
        return all(finite(value) for value in values)
    return not isinstance(values, float) or np.isfinite(values)


@pytest.mark.slow
def test_the_study_of_shifts_writes_table_1(tmp_path):
    folder = study("preference-shift").run(config=TINY, out=tmp_path / "shift")
    result = json.loads((folder / "results.json").read_text())
    assert finite(result)
    assert [(one["recommender"], one["penalty"]) for one in result["learned"]] == [
        ("myopic", 0.0),
        ("myopic", 1.0),
        ("rl", 0.0),
        ("rl", 1.0),
    ]
    for one in result["learned"]:
        assert np.shape(one["users"]) == (11, 36)
        np.testing.assert_allclose(np.sum(one["users"], axis=1), 1, rtol=1e-5)
        assert all(len(one["sums"][metric]) == 2 for metric in METRICS)
    report = (folder / "report.md").read_text()
    for name, published in TABLE_1.items():
        assert f"| {name} | r(u_t) | {published[0]:.2f} |" in report
    for figure in ("shifts", "shifts-exact", "pareto", "curves"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 10_000


def test_the_orderings_that_are_judged_are_those_of_table_1():
    for more, less, metric in ORDERINGS:
        high, low = (
            sum(TABLE_1[name]) if metric == "sum" else TABLE_1[name][METRICS.index(metric)] for name in (more, less)
        )
        assert high > low
    assert ("penalised myopic", "myopic", "engagement") in ORDERINGS  # which our users reverse


def test_a_larger_penalty_never_costs_safety_nor_gains_engagement():
    """Along the exact optima of the recommender that looks ahead; its discount leaves a little slack."""
    worth = np.array([one.worth for one in optima(TINY) if one.name == "rl"])
    engagement, safe = worth[:, 0], worth[:, 1:].sum(axis=1)
    assert (np.diff(engagement) < 0.05).all()
    assert (np.diff(safe) > -0.05).all()
    np.testing.assert_allclose(natural().sum(axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_the_calibration_writes_its_readings_and_their_best_constants(tmp_path, monkeypatch):
    first = next(iter(calibration.READINGS))
    monkeypatch.setattr(calibration, "READINGS", {first: calibration.READINGS[first]})  # each compiles for seconds
    folder = study("preference-calibration").run(
        config=CalibrationConfig(population=8, generations=1), out=tmp_path / "fit"
    )
    result = json.loads((folder / "results.json").read_text())
    assert finite(result)
    assert [fit["reading"] for fit in result["fits"]] == [first, first]
    for fit in result["fits"]:
        assert fit["error"] <= fit["allowed"]
        for name, (low, high) in CONSTANTS.items():
            assert low <= fit["intervals"][name][0] <= fit["best"][name] <= fit["intervals"][name][1] <= high
    assert (folder / "figures" / "profiles.png").stat().st_size > 10_000


def test_the_error_of_what_is_kept_is_that_of_an_independent_fit():
    """An independent program reports 0.62 for this reading and these constants."""
    reading, slates = next(iter(calibration.READINGS)), next(iter(calibration.SLATES))
    assert float(calibration.error(jnp.asarray([OPTIMA_CONSTANTS]), reading, slates)[0]) == pytest.approx(
        0.62, abs=0.03
    )


def test_what_is_kept_has_a_name():
    params = fitted_params("optima")
    assert (params.choice_base, *params.choice_widths, params.rationality) == OPTIMA_CONSTANTS


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("preference-shift", {"seeds": 0}, "seeds"),
        ("preference-shift", {"penalties": ()}, "penalties"),
        ("preference-shift", {"penalties": (-1.0,)}, "penalties"),
        ("preference-shift", {"penalties": (1.0, 1.0)}, "each once"),
        ("preference-shift", {"ppo": {"gamma": 1.5}}, "gamma"),
        ("preference-calibration", {"population": 2}, "population"),
        ("preference-calibration", {"generations": 0}, "generations"),
    ],
)
def test_bad_settings_are_refused(name, changes, message):
    chosen = study(name)
    with pytest.raises(jaxrec.InputError, match=message):
        chosen.config("quick", **changes).check()
