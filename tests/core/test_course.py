"""Trajectories and states in a notebook: a picture of one environment, and text for all else."""

import io

import jax
import numpy as np
import pytest
from matplotlib.image import imread

import jaxrec


@pytest.fixture(scope="module")
def trajectory():
    env, params = jaxrec.make("PolarisingUsers-v0")
    played = jaxrec.rollout(env, env.policy("bandit"), jax.random.key(0), 2, 40, params, trajectory=("metrics",))
    return played.trajectory


def test_one_environment_is_a_picture(trajectory):
    picture = imread(io.BytesIO(trajectory[:, 0]._repr_png_()), format="png")
    assert picture.shape[0] > 300
    assert picture.shape[1] == 640
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 10


def test_many_environments_and_one_step_are_text(trajectory):
    assert trajectory._repr_png_() is None
    assert trajectory[0, 0]._repr_png_() is None
    assert trajectory[:0, 0]._repr_png_() is None


def test_a_traced_trajectory_is_text(trajectory):
    seen = []
    jax.jit(lambda traced: seen.append(traced._repr_png_()))(trajectory[:, 0])
    assert seen == [None]


def test_a_notebook_shows_the_text_of_what_it_cannot_draw(trajectory):
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    formatter.active_types = ["image/png", "text/plain"]
    assert set(formatter.format(trajectory)[0]) == {"text/plain"}
    assert "image/png" in formatter.format(trajectory[:, 0])[0]


@pytest.mark.parametrize("env_id", ["PolarisingUsers-v0", "PreferenceShift-v0", "RewiringGame-v0"])
def test_the_state_of_one_environment_is_a_picture(env_id, key):
    env, params = jaxrec.make(env_id)
    _, state = env.reset(key, params)
    picture = imread(io.BytesIO(state._repr_png_()), format="png")
    assert picture.shape[1] == 640
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 10
    many = jax.vmap(env.reset, (0, None))(jax.random.split(key, 3), params)[1]
    seen = [many._repr_png_()]
    jax.jit(lambda traced: seen.append(traced._repr_png_()))(state)
    assert seen == [None, None]


def test_a_state_of_single_numbers_is_text():
    assert jaxrec.EnvState(np.int32(3))._repr_png_() is None
