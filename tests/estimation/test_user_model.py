"""Learning users from logs: what training keeps, and that beliefs follow the data."""

import dataclasses
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from logged_users import KINDS, MODEL, NETWORK, SLATES, STEPS, TELLING, logs_of, scribbled_logs

import jaxrec
from jaxrec.envs.learned import BeliefTransformer, LearnedParams, LearnedUsers, Weights, inference
from jaxrec.envs.preference import PreferenceShift, dynamics
from jaxrec.estimation import LearnUsers, generate, learn_users, user_model
from jaxrec.training import fit, parallel

USERS = PreferenceShift(**SLATES, observe_as="state")
WORLDS = {
    "near 130": USERS.default_params.replace(**TELLING),
    "near 300, then anywhere": USERS.default_params.replace(**TELLING, initial_mean=300.0, rationality=0.0),
}


def drawn(probabilities, rng):
    """A bin from each row."""
    passed = np.cumsum(probabilities, axis=1) <= rng.random((len(probabilities), 1)) * probabilities.sum(1)[:, None]
    return np.minimum(passed.sum(axis=1), 35)


tables_of = jax.jit(USERS.tables)


def lived(params, users, seed):
    """(logs, preferences [users, steps]) of users who see random slates, in NumPy."""
    rng, tables = np.random.default_rng(seed), jax.tree.map(np.asarray, tables_of(params))
    prior = np.asarray(dynamics.clipped_normal(params.initial_mean, params.initial_deviation))
    preference, steps = drawn(np.tile(prior, (users, 1)), rng), []
    for _ in range(STEPS):
        slate = rng.integers(4, size=users)
        steps.append((slate, drawn(tables.choice[slate, preference], rng), preference))
        preference = drawn(tables.shift[slate, preference], rng)
    slates, choices, preferences = (np.stack(each, axis=1) for each in zip(*steps, strict=True))
    return logs_of(np.asarray(USERS.slates)[slates], choices), preferences


@pytest.fixture(scope="module")
def rough():
    """Parameters with weights large enough for everything to matter."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(MODEL.init_network, jax.random.key(0))
    draws = [jax.tree.map(lambda leaf: 0.5 * rng.normal(size=leaf.shape).astype(np.float32), shapes) for _ in KINDS]
    return LearnedParams(**TELLING, weights=Weights(*draws))


def learner_of(world, seed=0, **settings):
    logs, _ = lived(WORLDS[world], 500, seed)
    validation, _ = lived(WORLDS[world], 150, seed + 100)
    settings = {"num_epochs": 12, "batch_size": 50, "learning_rate": 0.01} | settings
    return LearnUsers(MODEL, "future", logs, validation, **settings)


@pytest.fixture(scope="module")
def params():
    """For one run, of an untrained model; a training reads no weights of its own kind."""
    shapes = jax.eval_shape(MODEL.init_network, jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
    return jaxrec.batched(LearnedParams(**TELLING, weights=Weights(zeros, zeros, zeros)), 1)


def trained(learner, params, seed=0, chunks=None):
    """(final state, losses and validation losses of each epoch, or chunk) of one run."""
    told, keys = [], jax.random.split(jax.random.key(seed), 1)
    state = fit(learner, keys, params, chunks or learner.num_epochs, on_metrics=lambda *given: told.append(given[1]))
    history = {name: np.array([metrics[name][0] for metrics in told]) for name in told[0]}
    return jax.tree.map(lambda leaf: leaf[0], state), history


@pytest.fixture(scope="module")
def fitted(params):
    """What was learned in each world, and how often `advance` was compiled after the first."""
    found, compiled = {}, []
    for number, world in enumerate(WORLDS):
        found[world] = trained(learner_of(world, number), params, number)
        compiled.append(parallel.advance.compiled._cache_size())
    return found, compiled


def test_training_lowers_losses(fitted):
    for _, history in fitted[0].values():
        assert history["loss"][-1] < history["loss"][0]
        assert history["validation_loss"][-1] < history["validation_loss"][0]


def test_other_users_and_keys_share_one_compilation(fitted):
    first, second = fitted[1]
    assert first == second


@pytest.fixture(scope="module")
def restless(params):
    """A training that gets worse: (learner, final state, losses of each epoch)."""
    learner = learner_of("near 130", learning_rate=0.3)
    return learner, *trained(learner, params)


def test_the_weights_kept_have_the_lowest_validation_loss(fitted, restless, params):
    learner, state, history = restless
    assert (np.diff(history["validation_loss"]) > 0).any()  # which epoch is the lowest depends on how a machine rounds
    assert state.best_loss == history["validation_loss"].min()
    assert state.validation_loss == history["validation_loss"][-1]
    one = jax.tree.map(lambda leaf: leaf[0], params)
    loss = jax.jit(lambda weights: learner.loss(weights, one, learner.validation, jax.random.key(0)))
    assert loss(state.best) == pytest.approx(float(state.best_loss), rel=1e-5)
    assert loss(state.network_params) == pytest.approx(float(state.validation_loss), rel=1e-5)


def test_before_an_epoch_has_ended_there_is_no_validation_loss(params):
    state, history = trained(learner_of("near 130"), params, chunks=24)  # of half an epoch
    assert np.isnan(history["validation_loss"]).nonzero()[0].tolist() == [0]
    assert np.nanmin(history["validation_loss"]) == state.best_loss


def test_without_learning_nothing_changes(params):
    """Validation sees no dropout, and is the same every time."""
    learner = learner_of("near 130", learning_rate=0.0)
    state, history = trained(learner, params)
    assert len(set(history["validation_loss"].tolist())) == 1
    assert state.best_loss == history["validation_loss"][0]
    assert len(set(history["loss"].tolist())) == learner.num_epochs  # training sees dropout


def frequencies(preferences):
    """float[steps, 36]."""
    return np.stack([np.bincount(each, minlength=36) / len(each) for each in preferences.T])


def apart(one, other):
    """The total variation at each step."""
    return 0.5 * np.abs(one - other).sum(axis=-1)


def test_beliefs_follow_the_users_of_whom_the_logs_are(fitted):
    """Two worlds that differ in where users start and how they shift: nothing but logs tells the learner which."""
    believed, true = {}, {}
    each = jax.jit(lambda weights, memories: jnp.exp(jax.vmap(partial(inference.future, NETWORK, weights))(memories)))
    for world, (state, _) in fitted[0].items():
        logs, preferences = lived(WORLDS[world], 1000, seed=7)
        memories = jax.vmap(inference.remembered, (0, 0, None))(
            logs.slates, logs.choices, dynamics.users_of(WORLDS[world])
        )
        believed[world] = np.asarray(each(state.best, memories)).mean(axis=0)[:STEPS]
        true[world] = frequencies(preferences)
    for world in WORLDS:
        (other,) = set(WORLDS) - {world}
        own, foreign = apart(believed[world], true[world]), apart(believed[world], true[other])
        assert (own < 0.75 * foreign).all(), (world, own, foreign)
        assert own[0] < 0.4 * foreign[0], (world, own, foreign)  # where users start, they differ altogether
        assert own.mean() < 0.3, (world, own)


def test_models_are_learned_one_after_the_other(rough, monkeypatch):
    """The counterfactual network is trained on beliefs of the initial one just learned; logs are padded."""
    seen = []

    def fake(learner, keys, params, chunks, meter, tell, task, checkpoints, swept):
        assert checkpoints is swept is None
        seen.append((learner, jax.random.key_data(keys).tolist(), params))
        tell(3, {"loss": np.zeros(1)})
        return SimpleNamespace(best=learner.kind)

    monkeypatch.setattr(user_model, "fit", fake)
    told = []
    logs = scribbled_logs(6, steps=STEPS - 1)
    keys = jax.random.split(jax.random.key(0), 2)
    learned = learn_users(
        MODEL, keys, rough, logs, logs, on_metrics=lambda *args: told.append(args[:2]), batch_size=2, num_epochs=3
    )
    assert learned.weights == Weights(*KINDS)
    assert told == [(kind, 3) for kind in KINDS]
    assert [learner.kind for learner, _, _ in seen] == list(KINDS)
    assert seen[2][2].weights.initial == "initial"
    assert len({str(keys) for _, keys, _ in seen}) == 3
    for learner, _, _ in seen:
        assert learner.logs.num_steps == learner.validation.num_steps == STEPS
        assert not learner.logs.valid[:, -1].any()
        assert (learner.batch_size, learner.num_epochs, learner.num_updates) == (2, 3, 9)


@pytest.mark.slow
def test_each_run_learns_from_its_own_logs(rough):
    """Together as alone."""
    each = [lived(WORLDS[world], 60, seed)[0].split(40) for seed, world in enumerate(WORLDS)]
    training, validation = (jax.tree.map(lambda *leaves: np.stack(leaves), *own) for own in zip(*each, strict=True))
    learn = partial(learn_users, MODEL, kinds=("future",), num_chunks=2, num_epochs=4, batch_size=20)
    keys = jax.random.split(jax.random.key(0), 2)
    together = learn(keys, jaxrec.batched(rough, 2), training, validation)
    for run, logs in enumerate(each):
        alone = learn(keys[run : run + 1], jaxrec.batched(rough, 1), *logs)
        jax.tree.map(
            lambda one, both, run=run: np.testing.assert_allclose(one[0], both[run], rtol=1e-3, atol=1e-4),
            alone.weights.future, together.weights.future,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "past"}, "unknown kind 'past'"),
        ({"batch_size": 7}, "batch_size must be at most the users in logs, 6"),
        ({"batch_size": 0}, "batch_size"),
        ({"num_epochs": 0}, "num_epochs"),
        ({"learning_rate": -0.1}, "learning_rate"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"max_grad_norm": float("nan")}, "max_grad_norm"),
        ({"ent_coef": -0.1}, "ent_coef"),
        ({"logs": scribbled_logs(6, steps=3)}, "logs must have horizon=4 steps, got 3"),
        ({"validation": scribbled_logs(6, steps=5)}, "validation must have horizon=4 steps, got 5"),
    ],
)
def test_bad_settings_are_refused(params, changes, message, untyped):
    settings = {"kind": "future", "logs": scribbled_logs(6), "validation": scribbled_logs(6), "batch_size": 2}
    with pytest.raises(jaxrec.InputError, match=message):
        fit(LearnUsers(MODEL, **settings | changes), jax.random.split(jax.random.key(0), 1), params)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "future"}, 'kind must be "initial" for a bidirectional network'),
        ({"logs": scribbled_logs(6, steps=3).padded(4)}, "logs must have all steps of every user"),
        ({"validation": scribbled_logs(6, steps=3).padded(4)}, "validation must have all steps of every user"),
    ],
)
def test_a_bidirectional_network_learns_initial_preferences_from_whole_logs(changes, message, untyped):
    model = dataclasses.replace(MODEL, network=NETWORK.clone(bidirectional=True))
    settings = {"kind": "initial", "logs": scribbled_logs(6), "validation": scribbled_logs(6), "batch_size": 2}
    LearnUsers(model, **settings).check()
    with pytest.raises(jaxrec.InputError, match=message):
        LearnUsers(model, **settings | changes).check()


def test_logs_longer_than_the_model_are_refused(params, key):
    with pytest.raises(jaxrec.InputError, match="5 steps, the model a horizon of 4"):
        learn_users(MODEL, jax.random.split(key, 1), params, scribbled_logs(6, steps=5), scribbled_logs(6))


@pytest.mark.slow
def test_masks_in_validation_are_the_same_every_time(params):
    learner = learner_of("near 130", learning_rate=0.0).replace(kind="counterfactual")
    _, history = trained(learner, params)
    assert len(set(history["validation_loss"].tolist())) == 1


@pytest.mark.slow
def test_a_model_learned_from_logs_tells_how_its_own_users_shift_by_themselves():
    """In two worlds: where users start, and where they would go under uniform slates, which no network is told.

    Two models of each, one of which takes choices to be less telling than they are.
    """
    steps = 6
    users = PreferenceShift(horizon=steps, observe_as="state")
    model = LearnedUsers(horizon=steps, network=BeliefTransformer(width=16, layers=2, mixtures=2))
    known = LearnedParams(**TELLING, weights=model.default_params.weights)
    choices = jaxrec.batched(known, 2)
    choices = choices.replace(choice_heights=jnp.array([[2.0, 2.0], [1.5, 1.5]]), choice_base=jnp.array([2.0, 1.5]))
    alone, true = {}, {}
    for number, (world, params) in enumerate(WORLDS.items()):
        logs, truth = generate(jax.random.key(number), params, 3000, users)
        told = []
        learned = learn_users(
            model,
            jax.random.split(jax.random.key(number), 2),
            choices,
            *logs.split(2500),
            num_chunks=4,
            on_metrics=lambda kind, done, metrics, told=told: told.append((kind, done)),
            num_epochs=16,
            batch_size=100,
            learning_rate=5e-3,
        )
        assert told == [(kind, done) for kind in KINDS for done in (100, 200, 300, 400)]
        alone[world] = np.stack([naturally(model, learned.weights, run) for run in range(2)])
        true[world] = frequencies(np.asarray(truth.natural))[:steps]
    for world in WORLDS:
        (other,) = set(WORLDS) - {world}
        for run in range(2):
            own, foreign = apart(alone[world][run], true[world]), apart(alone[world][run], true[other])
            assert (own < foreign - 0.2).all(), (world, run, own, foreign)
        assert apart(alone[world][0], true[world]).mean() < 0.25, world


def naturally(model, weights, run):
    """float[steps, 36]: of somebody new, under uniform slates."""
    weights = jax.tree.map(lambda leaf: leaf[run], weights)
    nothing = inference.nothing(model.horizon)
    initial = jnp.exp(inference.initial(model.network, weights.initial, nothing)[0])
    later = inference.natural(model.network, weights.counterfactual, initial, model.horizon)
    return np.concatenate([initial[None], np.exp(later)[1 : model.horizon]])
