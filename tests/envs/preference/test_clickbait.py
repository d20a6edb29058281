"""Items that attract choice and give little engagement, held against plain loops; and who shows them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrec
from jaxrec.envs.preference import PreferenceShift, Table, dynamics, exact, fitted_params, fitted_slates, policies
from jaxrec.testing import api_test

HEIGHT, CENTRE, WIDTH, COST = 1.5, 210.0, 25.0, 0.8
SLATES_FITTED = {"slate_means": fitted_slates("optima")}
ENV = PreferenceShift(**SLATES_FITTED, observe_as="state")
CLICKS = PreferenceShift(**SLATES_FITTED, counts="click")
PARAMS = fitted_params("optima").replace(bait_height=HEIGHT, bait_centre=CENTRE, bait_width=WIDTH, bait_cost=COST)
U = range(36)
tables_at = jax.jit(ENV.tables)
optimal = jax.jit(exact.optimal, static_argnames=("horizon", "counts"))
worth_of = jax.jit(lambda tables, policy: (exact.worth(tables, policy, PARAMS), exact.clicks(tables, policy, PARAMS)))


@pytest.fixture(scope="module")
def tables():
    return tables_at(PARAMS)


def distance(a, b):
    d = abs(a - b) % 360
    return min(d, 360 - d)


def bell(x, centre, width):
    return np.exp(-((distance(10 * x, centre) / width) ** 2) / 2)


def cos(x, u):
    return np.cos(np.radians(10 * (x - u)))


def sharpness(u):
    return 0.1 + 0.9 * bell(u, 80, 22) + 3.9 * bell(u, 270, 15)


SLATES = [
    [w / sum(bell(x, mean, 60) for x in U) for w in (bell(x, mean, 60) for x in U)]
    for mean in (20, 80, 140, 200, 260, 320)
]
BAIT = [HEIGHT * bell(x, CENTRE, WIDTH) for x in U]


def plain_engagement(x, u):
    return cos(x, u) - COST * BAIT[x]


def plain_weights(slate, u, bait):
    return np.array([slate[x] * np.exp(sharpness(u) * cos(x, u) + bait[x]) for x in U])


def plain_choice(slate, u, bait=BAIT):
    weights = plain_weights(slate, u, bait)
    return weights / weights.sum()


def plain_click(slate, u, bait=BAIT):
    total = plain_weights(slate, u, bait).sum()
    return total / (1 + total)


def plain_belief(slate):
    return np.array(slate) ** 3 / (np.array(slate) ** 3).sum()


def plain_convenience(slate, u, new):
    chosen = plain_choice(plain_belief(slate), new)
    return sum(chosen[x] * (0.9 * plain_engagement(x, u) + 0.1 * plain_engagement(x, new)) for x in U)


def test_without_bait_nothing_is_lured_and_nobody_disappointed():
    none = tables_at(PARAMS.replace(bait_height=0.0))
    chosen = np.array([[plain_choice(slate, u, [0.0] * 36) for u in U] for slate in SLATES])
    click = np.array([[plain_click(slate, u, [0.0] * 36) for u in U] for slate in SLATES])
    engagement = [[sum(chosen[s, u, x] * cos(x, u) for x in U) for u in U] for s in range(6)]
    np.testing.assert_allclose(none.choice, chosen, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(none.click, click, rtol=1e-5)
    np.testing.assert_allclose(exact.rewards(none, 1).engagement[0, :, 0], engagement, atol=1e-5)
    np.testing.assert_array_equal(none.liked[..., 2], 0)


def test_tables_equal_plain_loops(tables):
    reward = exact.rewards(tables, 1)
    for number in (1, 3, 4):
        slate, users = SLATES[number], (0, 8, 13, 20, 27)
        convenience = dynamics.convenience(jnp.asarray(plain_belief(slate)), dynamics.users_of(PARAMS), 0.9)
        for u in users:
            chosen = plain_choice(slate, u)
            np.testing.assert_allclose(tables.choice[number, u], chosen, rtol=1e-4, atol=1e-7)
            assert tables.click[number, u] == pytest.approx(plain_click(slate, u), rel=1e-5)
            worth = np.array([plain_convenience(slate, u, new) for new in U])
            np.testing.assert_allclose(convenience[u], worth, atol=1e-5)
            shift = np.exp(31 * (worth - worth.max()))
            np.testing.assert_allclose(tables.shift[number, u], shift / shift.sum(), rtol=1e-3, atol=1e-6)
            for judge in users:
                expected = sum(chosen[x] * plain_engagement(x, judge) for x in U)
                assert reward.initial[0, number, judge, u] == pytest.approx(expected, abs=1e-5)
            expected = sum(chosen[x] * plain_engagement(x, u) for x in U)
            assert reward.engagement[0, number, 0, u] == pytest.approx(expected, abs=1e-5)


def believed(env, pairs):
    """A state after two steps in which (u_0, u_t) is one of the pairs, equally likely."""
    _, state = env.reset(jax.random.key(0), PARAMS)
    joint = np.zeros((36, 36), np.float32)
    for pair in pairs:
        joint[pair] += 1 / len(pairs)
    return state.replace(time=jnp.int32(2), joint=jnp.asarray(joint))


@pytest.mark.parametrize("counts", ["dwell", "click"])
@pytest.mark.parametrize("observe_as", ["beliefs", "state"])
def test_what_is_paid_is_expected_over_what_is_known(counts, observe_as):
    env = PreferenceShift(**SLATES_FITTED, counts=counts, observe_as=observe_as)
    pairs = [(13, 20), (13, 8), (11, 27)] if observe_as == "beliefs" else [(13, 20)]
    if observe_as == "beliefs":
        state = believed(env, pairs)
    else:
        _, state = env.reset(jax.random.key(0), PARAMS)
        unsteered = jnp.zeros(36).at[jnp.array([4, 30])].set(0.5)
        state = state.replace(initial=jnp.int32(13), preference=jnp.int32(20), unsteered=unsteered)
    if observe_as == "beliefs":  # what u_0 has become by itself: P(u_t^rnd | u_0)
        become = np.linalg.matrix_power(np.asarray(env.tables(PARAMS).natural, float), 2)
    else:
        become = np.tile(np.asarray(state.unsteered), (36, 1))
    following = state.replace(choice=jnp.int32(3))  # whichever it was: what is paid does not depend on it
    engagement = click = user = 0.0
    for first, now in pairs:
        click += plain_click(SLATES[3], now) / len(pairs)
        for x, chance in enumerate(plain_choice(SLATES[3], now) / len(pairs)):
            engagement += chance * plain_engagement(x, now)
            natural = sum(become[first, u] * plain_engagement(x, u) for u in U)
            user += chance * (0.5 * plain_engagement(x, first) + 2.0 * natural)
    params = PARAMS.replace(safe_weights=np.array([0.5, 2.0], np.float32))
    paid = jax.jit(env.reward_components)(state, 3, following, params)
    assert paid.recommender == pytest.approx(click if counts == "click" else engagement, abs=1e-5)
    assert paid.user == pytest.approx(user, abs=1e-5)


def test_as_sampled_it_is_the_engagement_of_the_item_or_the_chance_of_a_click():
    _, before = ENV.reset(jax.random.key(0), PARAMS)
    before = before.replace(initial=jnp.int32(13), preference=jnp.int32(20), natural=jnp.int32(8))
    after = before.replace(choice=jnp.int32(21))
    step = before, 3, after
    engagement = [plain_engagement(21, u) for u in (20, 13, 8)]
    for env, counted in ((ENV, engagement[0]), (CLICKS, plain_click(SLATES[3], 20))):
        worth, metrics = jax.jit(lambda p, env=env: (env.utilities(*step, p), env.metrics(*step, p)))(PARAMS)
        assert worth.recommender == pytest.approx(counted, abs=1e-5)
        assert worth.user == pytest.approx(engagement[1] + engagement[2], abs=1e-5)
        named = [metrics[f"engagement{name}"] for name in ("", "_initial", "_natural")]
        np.testing.assert_allclose(named, engagement, atol=1e-5)
        assert metrics["click"] == pytest.approx(plain_click(SLATES[3], 20), rel=1e-5)
        assert metrics["bait"] == pytest.approx(BAIT[21], rel=1e-5)
        under = env.counterfactual_engagement(*step, before.replace(preference=jnp.int32(8)), after, PARAMS)
        assert under == pytest.approx(engagement[2], abs=1e-5)


def shown(tables, counts):
    """int[36]: what a myopic recommender shows users of each preference."""
    chosen = optimal(tables, 10, gamma=0.0, counts=counts)[0, :, 13, :]
    assert (np.asarray(chosen).max(axis=0) > 0.4).all()  # two may be equally good
    return np.asarray(chosen.argmax(axis=0))


def test_who_counts_clicks_shows_bait_and_who_counts_engagement_does_not():
    strong = PARAMS.replace(bait_height=3.0, bait_centre=200.0)
    bait = [3.0 * bell(x, 200, WIDTH) for x in U]
    tables = tables_at(strong)
    clicks, dwell = shown(tables, "click"), shown(tables, "dwell")
    best = [int(np.argmax([plain_click(slate, u, bait) for slate in SLATES])) for u in U]
    np.testing.assert_array_equal(clicks, best)
    indifferent = [u for u in U if sharpness(u) < 0.2]  # whom nothing but bait attracts much
    assert len(indifferent) > 15
    assert set(clicks[indifferent]) == {3}  # the slate around 200 degrees
    assert 3 not in dwell
    assert 3 in shown(tables_at(strong.replace(bait_height=0.0)), "dwell")
    lured, served = (np.asarray(tables.choice)[s, U] @ bait for s in (clicks, dwell))
    assert (lured[indifferent] > 1.5 * served[indifferent]).all()
    for env, first in ((CLICKS, clicks), (PreferenceShift(**SLATES_FITTED), dwell)):
        policy = policies.myopic(env, strong)
        obs = [policy.act((), believing(u), jax.random.key(0))[0] for u in (10, 16, 20, 33)]
        np.testing.assert_array_equal(obs, first[[10, 16, 20, 33]])


def believing(u):
    """What a recommender sees that knows u."""
    obs, _ = CLICKS.reset(jax.random.key(0), PARAMS)
    return obs.replace(current=jax.nn.one_hot(u, 36))


def test_more_clicks_are_less_engagement_as_computed_and_as_played(tables, key):
    policy = optimal(tables, 10, gamma=1.0, counts="click")
    worth, clicks = worth_of(tables, policy)
    engaging, fewer = worth_of(tables, optimal(tables, 10, gamma=1.0, counts="dwell"))
    assert clicks > fewer + 0.1
    assert engaging.engagement > worth.engagement + 0.1
    env = PreferenceShift(**SLATES_FITTED, observe_as="state", counts="click")
    played = jaxrec.rollout(env, Table(policy), key, 2048, 10, PARAMS)
    exactly = {"click": clicks, "recommender": clicks, "engagement": worth.engagement}
    exactly |= {"user": worth.initial + worth.natural}
    for name, value in exactly.items():
        sums = np.asarray(played.per_env[name]) * 10
        assert abs(sums.mean() - value) < 4 * sums.std() / np.sqrt(2048)
    np.testing.assert_allclose(played.episode_return.mean(), played.per_env["click"].mean() * 10, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"paid_for": "sampled"}])
def test_counting_clicks_keeps_the_contract(changes):
    api_test(PreferenceShift(counts="click", **changes), PARAMS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bait_height", -0.1),
        ("bait_height", [1.0, 1.0]),
        ("bait_centre", 400.0),
        ("bait_width", 0.0),
        ("bait_cost", -1.0),
        ("bait_cost", np.nan),
    ],
)
def test_bad_parameters_are_refused(name, value):
    with pytest.raises(jaxrec.InputError, match=name):
        ENV.reset(jax.random.key(0), PARAMS.replace(**{name: np.asarray(value)}))


@pytest.mark.usefixtures("untyped")
def test_what_is_counted_must_be_known():
    with pytest.raises(jaxrec.InputError, match=r"counts 'clicks'\. Did you mean 'click'"):
        PreferenceShift(counts="clicks")
    with pytest.raises(jaxrec.InputError, match="unknown counts"):
        exact.optimal(ENV.tables(PARAMS), 1, counts="likes")


@pytest.mark.parametrize(
    ("fitted", "centre", "shares"),
    [("beliefs", 200.0, (0.93, 1.0)), ("optima", 200.0, (0.01, 0.01)), ("beliefs", 230.0, (0.0, 0.0))],
)
def test_bait_takes_users_who_are_left_alone_to_the_other_mode_where_the_constants_let_it(fitted, centre, shares):
    """Shares within 40 degrees of 270 after ten and after thirty uniform slates, by powers of the natural shift."""
    away = (10 * np.arange(36) - 130 + 180) % 360 - 180
    start = np.exp(-0.5 * (away / 20) ** 2)
    near = np.abs(10 * np.arange(36) - 270) <= 40
    natural = np.asarray(tables_at(fitted_params(fitted).replace(bait_height=1.5, bait_centre=centre)).natural, float)
    for slates, share in zip((10, 30), shares, strict=True):
        users = start @ np.linalg.matrix_power(natural, slates)
        assert users[near].sum() / users.sum() == pytest.approx(share, abs=0.01)
