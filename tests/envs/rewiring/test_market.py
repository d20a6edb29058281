"""The market: what it has in common with the game and with `simulate`, and what one step leads to by enumeration."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rewiring_reference as ref
from rewiring_exact import TIES, USERS, assert_follows, codes_of
from rewiring_games import many_of, random_state, ties_of
from scipy import stats

import jaxrec
from jaxrec.envs.rewiring import Competition, RewiringGame, RewiringMarket, heuristic, metrics, requests, simulate
from jaxrec.envs.rewiring.graph.society import stack, unstack
from jaxrec.envs.rewiring.market import MarketState
from jaxrec.envs.rewiring.rules import resolve

ERROR_RATE = 1e-4  # of each statistical test


def ends(env, policy, params, key, episodes):
    """The last states of episodes."""

    @jax.jit
    def play(key):
        obs, state = jax.vmap(env.reset_env, in_axes=(0, None))(jax.random.split(key, episodes), params)

        def step(loop):
            obs, state, over, count = loop
            keys = jax.random.split(jax.random.fold_in(key, count), (2, episodes))
            action, _ = jax.vmap(policy.act)(policy.init(key), obs, keys[0])
            after, ended = jax.vmap(env.transition, in_axes=(0, 0, 0, None))(keys[1], state, action, params)
            state = jaxrec.vectorized.where_done(over, state, after)
            return jax.vmap(env.observe, in_axes=(0, None))(state, params), state, over | ended, count + 1

        start = (obs, state, jnp.zeros(episodes, bool), 0)
        return jax.lax.while_loop(lambda loop: ~loop[2].all(), step, start)[1]

    return jax.tree.map(np.asarray, play(key))


def test_an_exclusive_policy_recommends_its_own_users_alone(key):
    env = RewiringMarket(12, 4, rivals=("local",))
    obs, _ = jax.vmap(env.reset_env, in_axes=(0, None))(jax.random.split(key, 64), env.default_params)
    allowed = {}
    for name in ("good", "exclusive-good"):
        policy = env.policy(name)
        chosen = jax.vmap(lambda obs, key, policy=policy: policy.act((), obs, key)[0])(obs, jax.random.split(key, 64))
        allowed[name] = np.asarray(jax.vmap(policy.best)(obs))
        assert allowed[name][np.arange(64), chosen].all()
    assert (allowed["good"].sum(axis=1) > allowed["exclusive-good"].sum(axis=1)).any()


@pytest.mark.parametrize(
    "rules", ["carvalho", *(pytest.param(name, marks=pytest.mark.slow) for name in ("learning", "santos", "printed"))]
)
def test_with_one_recommender_it_is_the_game_bit_for_bit(rules, key):
    """W2 = 0, shares (1, 0): same keys, same ties, strategies, requests and rewards."""
    game = RewiringGame(12, 4, rules, max_wait=4)
    market = RewiringMarket(12, 4, rules, max_wait=4, rivals=("bad",))
    ours = market.default_params.replace(shares=np.array([1.0, 0.0]), recommender_timescale=0.0, time_limit=150)
    theirs = game.default_params.replace(time_limit=150, beta=ours.beta)

    def played(env, params):
        def step(carry, key):
            obs, state = carry
            action = jnp.where(obs.action_mask, jax.random.uniform(key, (12,)), -1).argmax().astype(jnp.int32)
            obs, state, reward, terminated, _ = env.step_env(key, state, action, params)
            parts = (state.society.adjacency, state.society.cooperators, state.clock, state.requests, state.rewires)
            return (obs, state), (*parts, obs.nodes[:, :2], obs.action_mask, obs.requested, reward, terminated)

        start = env.reset_env(key, params)
        return jax.lax.scan(step, start, jax.random.split(key, 100))[1]

    one, other = jax.jit(partial(played, game))(theirs), jax.jit(partial(played, market))(ours)
    assert np.asarray(one[3])[-1] > 3, "requests"
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("learner", [pytest.param("good", marks=pytest.mark.slow), "bad"])
@pytest.mark.slow
@pytest.mark.parametrize("exclusive", [False, True])
def test_a_heuristic_in_the_seat_is_simulated_competition(learner, exclusive, key):
    """Cooperation and share, by two-sample Kolmogorov-Smirnov tests; and these tell another heuristic apart."""
    steps, runs, shares = 300, 3000, np.array([0.7, 0.3])
    env = RewiringMarket(30, 6, rivals=("random",), exclusive=exclusive)
    changed = {"beta": 0.05, "temptation": 1.2, "sucker": -0.2, "timescale": 2.0}
    params = env.default_params.replace(
        shares=shares, recommender_timescale=1.0, recommender_beta=0.5, time_limit=steps, **changed
    )
    game = RewiringGame(30, 6)
    kinds = [heuristic(learner, exclusive), heuristic("random", exclusive)]
    simulated = simulate(
        game, kinds, key, game.default_params.replace(**changed), steps, runs,
        Competition(shares, 1.0, 0.5), stop_at_fixation=False, check_every=steps,
    )  # fmt: skip

    def compared(name):
        end = ends(env, env.policy(name), params, jax.random.key(1), runs)
        assert (end.clock == steps).mean() > 0.99, "fixation is rare, and does not bias the comparison"
        society = jax.tree.map(jnp.asarray, end.society)
        cooperation, share = jax.vmap(metrics.cooperation)(society), jax.vmap(metrics.shares)(society)[:, 0]
        pairs = (cooperation, simulated.cooperation), (share, simulated.shares[:, 0])
        return [stats.ks_2samp(np.asarray(a), b).pvalue for a, b in pairs]

    assert min(compared(learner)) > ERROR_RATE / 2
    assert min(compared({"good": "bad", "bad": "good"}[learner])) < ERROR_RATE / 2


@pytest.mark.slow
def test_a_seed_among_its_like_takes_over_as_often_as_its_share_says(key):
    """All recommend alike, so that labels do not matter: the share is a martingale, and fixates at 1 with its start."""
    episodes, start = 4000, 0.1
    env = RewiringMarket(10, 4, rivals=("random", "random"), max_wait=64)
    params = env.default_params.replace(
        shares=np.array([start, 0.5, 0.4]), timescale=float("inf"), recommender_timescale=1.0, time_limit=2000,
        recommender_beta=0.3,
    )  # fmt: skip
    for limit, fixed in ((60, 0.05), (2000, 0.999)):
        end = ends(env, env.policy("random"), params.replace(time_limit=limit), key, episodes)
        share = np.asarray(jax.vmap(metrics.shares)(jax.tree.map(jnp.asarray, end.society)))
        played = end.clock == limit  # of 512 societies, one begins with one strategy, and has ended before it begins
        assert played.mean() > 0.99
        settled = np.isin(share[played], (0, 1)).all(axis=1).mean()
        assert settled > fixed if fixed > 0.5 else settled < 0.5
        for kind, expected in enumerate((start, 0.5, 0.4)):
            error = share[:, kind].std() / np.sqrt(episodes)
            assert abs(share[:, kind].mean() - expected) < stats.norm.isf(ERROR_RATE / 2) * error


CASES, COPIES = 12, 5000


def states_and_games(preset, rng, exclusive):
    for i in range(CASES):
        game = ref.Game(
            preset,
            beta=0.4,
            temptation=1.5,
            sucker=-0.5,
            timescale=[1.0, np.inf, 3.0, 0.5][i % 4],
            influence=[1.0, 0.6][i // 4 % 2],
            second=[0.0, 0.4][i % 2],
            second_beta=0.8,
            heuristics=(("good", exclusive), ("low", exclusive)),
        )
        while True:
            state = random_state(rng, USERS, TIES, 2, 0.4)
            if 0 < sum(state.cooperates) < USERS:
                break
        yield state, game


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "exclusive"),
    [("carvalho", True), ("carvalho", False), ("santos", True), ("printed", False), ("learning", True)],
)
def test_a_time_step_of_five_users_leads_where_enumeration_says(preset, exclusive, rng):
    """The learner's seat is taken by a heuristic: with its rival's answers these are all requests of one time-step."""
    env = RewiringMarket(USERS, 2, preset, max_wait=1, rivals=("low",), exclusive=exclusive)
    cases = list(states_and_games(preset, rng, exclusive))
    states, games = zip(*cases, strict=True)
    society = unstack(many_of(states, 2, [ties_of(state) for state in states] if preset == "santos" else None))
    names = {"influence": "influence", "beta": "beta", "temptation": "temptation", "sucker": "sucker",
             "timescale": "timescale", "recommender_timescale": "second",
             "recommender_beta": "second_beta"}  # fmt: skip
    values = {name: np.array([getattr(game, of) for game in games], np.float32) for name, of in names.items()}
    params = jaxrec.batched(env.default_params.replace(time_limit=1), CASES).replace(**values)
    policy = env.policy("good")

    def one(society, params, key):
        state = requests.unasked(society, resolve(preset), params)
        state = MarketState(**vars(state), own_requests=jnp.zeros(1, jnp.int32))
        keys = jax.random.split(key, 3)
        state, _ = env.transition(keys[0], state, 0, params)
        action, _ = policy.act((), env.observe(state, params), keys[1])
        return env.transition(keys[2], state, action, params)[0].society

    keys = jax.random.split(jax.random.key(0), (CASES, COPIES))
    after = jax.jit(jax.vmap(jax.vmap(one, in_axes=(None, None, 0))))(society, params, keys)
    flat = jax.tree.map(lambda leaf: leaf.reshape(CASES * COPIES, *leaf.shape[2:]), after)
    assert_follows(cases, codes_of(stack(flat)).reshape(CASES, COPIES), with_events=False)


TWO = RewiringMarket(12, 4, rivals=("random",), learners=2, exclusive=True)


def played_by(name, key, shares, timescale=1.0):
    params = TWO.default_params.replace(shares=np.array(shares), recommender_timescale=timescale)
    options = {"params": params, "trajectory": True, "metrics": ("reward",)}
    return params, jaxrec.rollout(TWO, TWO.policy(name), key, 2, 120, **options).trajectory[:, 0]


@pytest.mark.slow
def test_the_view_of_a_seat(key):
    """Whose turn it is, whose users, and whose requests pay."""
    env = TWO
    params, played = played_by("random", key, [0.4, 0.3, 0.3])
    seats = [env.seated(learner) for learner in range(2)]
    first, second = (jax.vmap(lambda state, env=env: env.observe(state, params))(played.state) for env in seats)
    own = [jax.vmap(metrics.shares)(played.state.society)[:, learner] for learner in range(2)]
    np.testing.assert_allclose(first.share, own[0], rtol=1e-6)
    np.testing.assert_allclose(second.nodes[:, 5, 3], own[1], rtol=1e-6)
    np.testing.assert_allclose(first.nodes[..., 2].mean(axis=1), own[0], rtol=1e-6)
    asked = np.asarray(played.obs.requested)
    np.testing.assert_array_equal(np.asarray(first.requested) | np.asarray(second.requested), asked)
    assert not (np.asarray(first.requested) & np.asarray(second.requested)).any()
    for learner, obs in enumerate((first, second)):
        assert np.asarray(obs.requested).sum() > 3
        np.testing.assert_array_equal(obs.requested, asked & (np.asarray(played.obs.turn) == learner))
        focused = np.asarray(obs.nodes)[np.arange(120), np.asarray(obs.focused), 2]
        assert focused[np.asarray(obs.requested)].all(), "who asks is one's own"
        assert (np.asarray(obs.action_mask) <= (np.asarray(obs.nodes[..., 2]) > 0)).all()
    paid = [
        jax.vmap(lambda a, b, c, env=env: env.utilities(a, b, c, params).recommender)(
            played.state, played.action, played.next_state
        )
        for env in seats
    ]
    np.testing.assert_allclose(paid[0] + paid[1], played.reward)
    assert float(paid[0].sum()) > 0 < float(paid[1].sum())


@pytest.mark.slow
def test_a_rivals_users_are_answered_and_only_own_requests_pay(key):
    """Most users are the rival's, and stay: their ties move, and the learners, who recommend nobody, are not asked."""
    _, played = played_by("null", key, [0.1, 0.1, 0.8], timescale=0.0)
    rewires = np.asarray(played.next_state.rewires - played.state.rewires)
    assert rewires.sum() > 20
    own = np.asarray(played.next_state.own_requests - played.state.own_requests).sum(axis=1)
    np.testing.assert_array_equal(own, np.asarray(played.reward))
    every = np.asarray(played.next_state.requests - played.state.requests)
    assert 0 < own.sum() < every.sum() / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rivals": ()}, "rivals must name at least one"),
        ({"rivals": ("local", "god")}, "good"),
        ({"learners": 0}, "learners"),
        ({"learners": 3}, "learners"),
        ({"exclusive": "no"}, "exclusive"),
        ({"seat": 1}, "seat"),
        ({"learners": 2, "seat": 2}, "seat"),
    ],
)
def test_markets_that_cannot_be(arguments, message, untyped):
    with pytest.raises(jaxrec.InputError, match=message):
        RewiringMarket(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": np.array([0.5, 0.4])}, "sum to 1"),
        ({"shares": np.array([0.0, 1.0])}, "leave each learner a user"),
        ({"shares": np.array([0.02, 0.98])}, "leave each learner a user"),
        ({"shares": np.array([1.5, -0.5])}, "shares"),
        ({"shares": np.array([0.5, 0.3, 0.2])}, "shares"),
        ({"recommender_timescale": -1.0}, "recommender_timescale"),
        ({"recommender_beta": np.nan}, "recommender_beta"),
        ({"beta": -1.0}, "beta"),
    ],
)
def test_parameters_that_cannot_be(changes, message, untyped):
    env = RewiringMarket(12, 4)
    with pytest.raises(jaxrec.InputError, match=message):
        env.reset(jax.random.key(0), env.default_params.replace(**changes))


def test_a_market_takes_the_name_of_one_rival_and_infinite_timescales():
    env = RewiringMarket(12, 4, rivals="good")
    assert env == RewiringMarket(12, 4, rivals=("good",))
    env.check_params(env.default_params.replace(recommender_timescale=float("inf")))
    shares = dataclasses.replace(env, learners=2).default_params.shares
    np.testing.assert_allclose(shares, [0.1, 0.1, 0.8], rtol=1e-5)
