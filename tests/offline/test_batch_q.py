"""Q from logs alone: by hand on a few users, and as an agent like any other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import Chain

import jaxrec
from jaxrec.audit import audit, learn
from jaxrec.estimation import Logs
from jaxrec.offline import BatchQ

CHAIN = Chain()
PARAMS = jaxrec.batched(CHAIN.default_params, 1)
KEYS = jax.random.split(jax.random.key(0), 1)


def logs_of(users):
    """Of (places, actions, rewards) each."""
    steps = max(len(actions) for _, actions, _ in users)

    def padded(values, dtype):
        return np.array([[*each, *[0] * (steps - len(each))] for each in values], dtype)

    places, actions, rewards = zip(*users, strict=True)
    return Logs(
        valid=np.arange(steps) < np.array([len(each) for each in actions])[:, None],
        policy=np.zeros(len(users), np.int32),
        policies=("b",),
        actions=padded(actions, np.int32),
        rewards=padded(rewards, np.float32),
        observations=padded(places, np.int32)[..., None],
    )


USERS = [
    ([0, 1, 2], [1, 1, 1], [-0.1, -0.1, 0.9]),
    ([0, 1, 0], [1, 0, 1], [-0.1, 0.3, -0.1]),
    ([0, 1, 2], [1, 1, 0], [0.5, -0.1, -0.1]),
    ([0], [0], [0.25]),
]
LOGS = logs_of(USERS)


def plain(gamma, threshold, pessimism, initial_q):
    """Fitted Q iteration with dictionaries, three passes: (q, allowed actions of each place)."""
    steps = [
        (places[t], actions[t], rewards[t], places[t + 1] if t + 1 < len(actions) else None)
        for places, actions, rewards in USERS
        for t in range(len(actions))
    ]
    counts = np.zeros((4, 2))
    for here, action, _, _ in steps:
        counts[here, action] += 1
    allowed = {}
    for here in range(4):
        shares = counts[here] / max(counts[here].sum(), 1)
        enough = [a for a in range(2) if shares[a] >= threshold]
        allowed[here] = enough or [a for a in range(2) if shares[a] == shares.max()]
    q = np.zeros((4, 2))
    for _ in range(3):
        new = np.full((4, 2), initial_q, float)
        for cell in zip(*np.nonzero(counts), strict=True):
            targets = [
                paid + (gamma * max(q[there, a] for a in allowed[there]) if there is not None else 0)
                for here, action, paid, there in steps
                if (here, action) == cell
            ]
            new[cell] = np.mean(targets) - pessimism / np.sqrt(counts[cell])
        q = new
    return q, allowed


@pytest.mark.parametrize(
    ("gamma", "threshold", "pessimism", "initial_q"),
    [(1.0, 0.0, 0.0, 0.0), (0.9, 0.0, 0.0, 7.0), (1.0, 0.4, 0.0, 7.0), (0.9, 0.7, 0.2, -1.0), (1.0, 0.0, 0.5, -5.0)],
)
def test_a_few_users_by_hand(gamma, threshold, pessimism, initial_q):
    agent = BatchQ(CHAIN, LOGS, gamma, threshold, pessimism, initial_q)
    state, metrics = agent.advance(agent.init(KEYS[0], None), None, 0, agent.num_updates)
    q, allowed = plain(gamma, threshold, pessimism, initial_q)
    np.testing.assert_allclose(state.q, q, rtol=1e-5, atol=1e-6)
    assert [np.flatnonzero(each).tolist() for each in state.allowed] == [allowed[place] for place in range(4)]
    assert metrics["value"] == pytest.approx(max(q[0, a] for a in allowed[0]), rel=1e-5)
    policy = agent.policy(state)
    for place in range(4):
        best = max(q[place, a] for a in allowed[place])
        shown = np.flatnonzero(policy.probabilities((), jnp.asarray(place))[0] > 0)
        assert shown.tolist() == [a for a in allowed[place] if q[place, a] == pytest.approx(best, abs=1e-6)]


def test_fit_keeps_its_states_and_its_policy(tmp_path):
    agent = BatchQ(CHAIN, LOGS, threshold=0.4)
    seen = []
    whole = jaxrec.fit(agent, KEYS, PARAMS, 3, on_metrics=lambda *each: seen.append(each), checkpoints=tmp_path / "run")
    assert [updates for updates, _ in seen] == [1, 2, 3]
    again = jaxrec.fit(agent, KEYS, PARAMS, 3, checkpoints=tmp_path / "run")
    jax.tree.map(np.testing.assert_array_equal, again, whole)
    loaded = jaxrec.load_policy(tmp_path / "run")
    np.testing.assert_array_equal(loaded.q, jnp.where(whole.allowed, whole.q, -jnp.inf)[0])
    with pytest.raises(jaxrec.InputError, match="threshold"):
        jaxrec.fit(agent.replace(threshold=0.3), KEYS, PARAMS, 3, checkpoints=tmp_path / "run")


def test_all_but_the_environment_may_be_swept():
    """Each run has its own logs, and its own hyper-parameters."""
    other = logs_of([(places, actions, [1.0] * len(rewards)) for places, actions, rewards in USERS])
    swept = {
        "logs": jax.tree.map(lambda *each: np.stack(each), LOGS, other),
        "threshold": np.array([0.0, 0.4], np.float32),
        "initial_q": np.stack([np.zeros((4, 2)), np.full((4, 2), 3)]).astype(np.float32),
    }
    keys, params = jax.random.split(jax.random.key(0), 2), jaxrec.batched(CHAIN.default_params, 2)
    both = jaxrec.fit(BatchQ(CHAIN, LOGS), keys, params, swept=swept)
    for run, logs in enumerate((LOGS, other)):
        own = {name: swept[name][run] for name in ("threshold", "initial_q")} | {"logs": logs}
        alone = jaxrec.fit(BatchQ(CHAIN, LOGS).replace(**own), KEYS, PARAMS)
        np.testing.assert_allclose(both.q[run], alone.q[0], rtol=1e-5, atol=1e-6)


BAD = {
    "threshold": ({"threshold": 1.5}, "threshold must be within"),
    "pessimism": ({"pessimism": -1.0}, "pessimism must be within"),
    "initial_q": ({"initial_q": float("inf")}, "initial_q must be within"),
    "logs": ({"logs": LOGS.replace(rewards=None)}, "logs must have rewards for BatchQ"),
    "observation": (
        {"logs": LOGS.replace(observations=LOGS.observations + 2)},
        r"logs.observations must be of Chain, got \[4\] of user 0 in step 2",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_learned_from_is_refused(name):
    changes, message = BAD[name]
    with pytest.raises(jaxrec.InputError, match=message):
        jaxrec.fit(BatchQ(CHAIN, LOGS).replace(**changes), KEYS, PARAMS)


def test_an_audit_would_train_the_same_in_every_world_and_is_refused(key):
    learner = BatchQ(CHAIN, logs_of([((0, 1), (1, 1), (0.0, 1.0))]))
    for call in (lambda: audit(CHAIN, learner, key), lambda: learn(learner, key)):
        with pytest.raises(jaxrec.InputError, match="a BatchQ learns from its logs, whatever the world: record"):
            call()


def test_a_share_that_is_the_threshold_is_enough():
    agent = BatchQ(CHAIN, LOGS)
    some, all_of_it = (each.ravel() for each in np.meshgrid(np.arange(1, 60), np.arange(2, 61)))
    some, all_of_it = some[some < all_of_it], all_of_it[some < all_of_it]
    counts = jnp.asarray(np.stack([some, all_of_it - some], axis=1)[:, None], jnp.float32)

    @jax.jit
    @jax.vmap
    def allowed(counts, threshold):
        return agent.replace(threshold=threshold)._allowed(counts)

    assert allowed(counts, jnp.asarray(some / all_of_it))[:, 0, 0].all()
    above = allowed(counts, jnp.asarray((some + 0.01) / all_of_it))[:, 0]
    others = (all_of_it - some) > some
    assert not above[others, 0].any()
