"""When to ask: the closed form against sums over a fine grid, and the case that the source tells."""

import numpy as np
import pytest

from jaxrec.wrappers.asking import should_act, should_ask, value_if_known


def expected_best(mean, deviation):
    """E max(v, 0) by the trapezoidal rule."""
    v = np.linspace(mean - 12 * deviation, mean + 12 * deviation, 400_001)
    density = np.exp(-0.5 * ((v - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    return np.trapezoid(np.maximum(v, 0) * density, v)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1.0, 1.0), (-1.0, 2.0), (0.3, 0.05), (-0.5, 0.2)])
def test_knowing_is_worth_the_expected_best(mean, deviation):
    best = expected_best(mean, deviation)
    assert float(value_if_known(mean, deviation)) == pytest.approx(best, abs=1e-6)
    gain = best - max(mean, 0.0)
    assert bool(should_ask(mean, deviation, gain - 1e-4))
    assert not bool(should_ask(mean, deviation, gain + 1e-4))


def test_who_is_certain_never_asks():
    np.testing.assert_allclose(value_if_known(np.array([-1.0, 2.0]), 0.0), [0.0, 2.0])
    assert not should_ask(np.array([-1.0, 0.0, 2.0]), 0.0, 0.0).any()


def test_a_chance_of_80_percent_is_enough_where_the_loss_is_below_four_times_the_gain():
    assert bool(should_act(0.8, 1.0, 3.99))
    assert not bool(should_act(0.8, 1.0, 4.01))
    grid = np.linspace(0, 1, 11)
    expected = [p * 2.0 > (1 - p) * 3.0 for p in grid]
    assert should_act(grid, 2.0, 3.0).tolist() == expected
