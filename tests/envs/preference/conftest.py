"""What the tests of shifting preferences share."""

import jax
import pytest
from preference_loops import ENV, PARAMS


@pytest.fixture(scope="module")
def tables():
    return jax.jit(ENV.tables)(PARAMS)
