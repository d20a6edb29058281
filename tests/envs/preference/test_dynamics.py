"""Users whose preferences shift, held against plain loops; and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from preference_loops import CONSTANTS, ENV, MEANS, PARAMS, env_of, plain_choice, plain_shift, plain_slate

import jaxrec
from jaxrec.envs.preference import PreferenceShift, dynamics, fitted_params


@pytest.mark.parametrize("fitted", CONSTANTS)
def test_tables_equal_plain_loops(fitted):
    env, constants = env_of(fitted), CONSTANTS[fitted]
    tables = jax.jit(env.tables)(fitted_params(fitted))
    for number in (0, 4):
        slate = plain_slate(MEANS[fitted][number], 60)
        np.testing.assert_allclose(env.slates[number], slate, rtol=1e-5)
        for u in (0, 8, 13, 27):
            np.testing.assert_allclose(
                tables.choice[number, u], plain_choice(slate, u, constants), rtol=1e-4, atol=1e-7
            )
            np.testing.assert_allclose(tables.shift[number, u], plain_shift(slate, u, constants), rtol=1e-3, atol=1e-6)
    natural = plain_shift(np.full(36, 1 / 36), 13, constants)
    np.testing.assert_allclose(tables.natural[13], natural, rtol=1e-3, atol=1e-6)


def test_tables_are_distributions(tables):
    for each in (tables.choice, tables.shift, tables.natural):
        np.testing.assert_allclose(each.sum(axis=-1), 1, rtol=1e-5)
        assert (each >= 0).all()


@pytest.mark.parametrize("fitted", CONSTANTS)
def test_without_influence_every_slate_shifts_as_the_uniform_one(fitted):
    """To the last bit: where tables differ by rounding, a draw now and then falls between, and parts two twins."""
    still = jax.jit(env_of(fitted).tables)(fitted_params(fitted).replace(influence=0.0))
    np.testing.assert_array_equal(still.shift, np.broadcast_to(still.natural, still.shift.shape))


def test_a_draw_has_the_probabilities_that_it_should():
    probabilities = np.zeros(36)
    probabilities[[3, 7, 35]] = 0.25, 0.5, 0.25
    uniforms = (np.arange(1000) + 0.5) / 1000
    drawn = jax.vmap(dynamics.draw, in_axes=(0, None))(jnp.asarray(uniforms, jnp.float32), jnp.asarray(probabilities))
    np.testing.assert_allclose(np.bincount(drawn, minlength=36) / 1000, probabilities, atol=2e-3)


def test_slates_of_ones_own_are_shown_as_they_are(tables):
    """The default slates, given item by item, in another order."""
    given = np.asarray(ENV.slates, float)[::-1]
    own = PreferenceShift(slate_items=tuple(map(tuple, (given / given.sum(axis=1, keepdims=True)).tolist())))
    assert own.num_actions == 6
    np.testing.assert_allclose(own.tables(PARAMS).shift, tables.shift[::-1], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_without_influence_users_go_the_way_they_would_go_by_themselves(key):
    params = PARAMS.replace(influence=0.0)
    played = jaxrec.rollout(ENV, ENV.policy("random"), key, 64, 10, params, trajectory=True)
    assert (played.trajectory.next_state.preference == played.trajectory.next_state.natural).all()
    np.testing.assert_allclose(played.per_env["steered"], 0, atol=1e-5)


def test_a_draw_from_a_table_is_the_first_bin_beyond_it():
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.full(36, 0.2), 30).astype(np.float32) * (rng.random((30, 36)) < 0.7)
    rows[0], rows[1], rows[2] = np.eye(36)[0], np.eye(36)[35], np.eye(36)[17]
    rows /= rows.sum(axis=1, keepdims=True)
    row, uniform = rng.integers(30, size=5000), rng.random(5000).astype(np.float32)
    uniform[:200] = np.repeat(np.array([0, 2**-24, 0.5, 1 - 2**-24], np.float32), 50)
    for added in (dynamics.Cumulated.of(jnp.asarray(rows)).reached, dynamics._added_and_raised(jnp.asarray(rows))):
        table = dynamics.Cumulated(added, added[..., -1])  # of a CPU, and of a GPU
        drawn, reached = np.asarray(jax.vmap(table.draw)(uniform, row)), np.asarray(added)[row]
        np.testing.assert_array_equal(drawn, (reached > (uniform * reached[:, -1])[:, None]).argmax(axis=1))
        np.testing.assert_allclose(added, np.cumsum(rows, axis=1, dtype=float), atol=1e-6)
        assert (rows[row, drawn] > 0).all()


@pytest.mark.parametrize("row", [np.zeros(36), np.full(36, np.nan)])
def test_a_row_that_is_no_distribution_gives_a_bin_nonetheless(row):
    """The bin is an index into other tables: one beyond the last would be the first of another row."""
    table = dynamics.Cumulated.of(jnp.asarray(row[None], jnp.float32))
    drawn = jax.vmap(table.draw, in_axes=(0, None))(jnp.array([0.0, 0.5, 1 - 2**-23]), 0)
    assert ((drawn >= 0) & (drawn < 36)).all()


def test_what_has_probability_0_is_never_drawn():
    """Nor where prefix sums round: a choice that cannot be makes a belief 0 / 0."""
    rng = np.random.default_rng(0)
    weights = rng.random((20_000, 36)).astype(np.float32) ** 8 * (rng.random((20_000, 36)) < 0.4)
    weights[:, 0] += 1e-3
    almost_one = np.float32(1 - 2.0**-23)
    uniform = np.where(rng.random(20_000) < 0.5, almost_one, 0).astype(np.float32)
    drawn = jax.vmap(dynamics.draw)(uniform, weights / weights.sum(axis=1, keepdims=True))
    assert (weights[np.arange(20_000), drawn] > 0).all()


def test_states_that_int32_cannot_number_have_no_index():
    env = PreferenceShift(horizon=2_000_000, observe_as="state")
    assert env.num_observations is None
    with pytest.raises(jaxrec.InputError, match="no observation index"):
        env.observation_index(jnp.zeros(3, jnp.int32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 0}, "horizon"),
        ({"slate_means": ()}, "slate_means must name at least one"),
        ({"slate_means": (400.0,)}, "slate_means"),
        ({"slate_deviations": -1.0}, "slate_deviations must be within"),
        ({"slate_deviations": 1e-30}, "slate_deviations must be within"),
        ({"horizon": 2**31}, "horizon must be at most"),
        ({"slate_deviations": (60.0, 30.0)}, "one a slate"),
        ({"slate_items": ((1.0, 0.0),)}, "slate_items must have 36"),
        ({"slate_items": ((-0.5, 1.5) + (0.0,) * 34,)}, "slate_items"),
        ({"slate_items": ((0.5,) + (0.0,) * 35,)}, "slate_items must sum to 1"),
        ({"observe_as": "all"}, "observe_as"),
        ({"paid_for": "love"}, "paid_for"),
    ],
)
def test_bad_settings_are_refused(changes, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        PreferenceShift(**changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("influence", 1.5),
        ("inertia", -0.1),
        ("initial_deviation", 0.0),
        ("choice_widths", [1.0, 0.0]),
        ("rationality", 1e30),
    ],
)
def test_bad_parameters_are_refused(name, value):
    with pytest.raises(jaxrec.InputError, match=name):
        ENV.reset(jax.random.key(0), PARAMS.replace(**{name: np.asarray(value)}))
