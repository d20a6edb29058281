import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.training.parallel import nan_within

LARGE = 2**20 + 1  # of numbers: a leaf that is looked through alone


@pytest.mark.parametrize("where", ["weights", "rows", "table", "nowhere"])
def test_each_run_with_nan_anywhere_is_found(where):
    state = {
        "weights": np.ones((3, 4), np.float32),
        "rows": np.ones((3, 2, 2), np.float64),
        "table": np.full((3, LARGE), np.inf, np.float32),
        "steps": np.zeros(3, np.int32),
        "none": np.zeros((3, 0), np.float32),
    }
    if where != "nowhere":
        state[where][1, ..., -1] = np.nan
    found = nan_within({name: jnp.asarray(leaf) for name, leaf in state.items()})
    np.testing.assert_array_equal(found, [0, 0 if where == "nowhere" else np.nan, 0])


def test_a_state_without_floats_has_no_nan():
    assert nan_within({"steps": jnp.zeros(3, jnp.int32)}) == 0
