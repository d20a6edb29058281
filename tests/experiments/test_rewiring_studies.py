"""The studies of the rewiring game: what they write, how they judge, what they refuse."""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from flax import struct
from matplotlib.figure import Figure
from scipy import stats

import jaxrec
from jaxrec import whole_episodes
from jaxrec.envs.rewiring import RewiringGame
from jaxrec.experiments import study
from jaxrec.experiments.reports.figures import interval_line
from jaxrec.experiments.rewiring import reference
from jaxrec.experiments.rewiring.baselines.study import BaselinesConfig
from jaxrec.experiments.rewiring.competition.settings import EXPERIMENTS, KINDS
from jaxrec.experiments.rewiring.competition.study import CompetitionConfig
from jaxrec.experiments.rewiring.games.study import GamesConfig
from jaxrec.experiments.rewiring.learning import claims, play
from jaxrec.experiments.rewiring.learning import measure as learning
from jaxrec.experiments.rewiring.learning.measure import JUDGED, Learned, Measured, Rivals, Run
from jaxrec.experiments.rewiring.learning.study import GPU, LearningConfig
from jaxrec.experiments.rewiring.market.study import MarketConfig
from jaxrec.experiments.rewiring.santos.claims import critical_timescale
from jaxrec.experiments.rewiring.santos.study import SantosConfig
from jaxrec.experiments.rewiring.sweep import sweep
from jaxrec.experiments.runs.metrics_log import FolderLog
from jaxrec.experiments.runs.tools import Tools
from jaxrec.runtime.progress import NoMeter
from jaxrec.training import fit

TINY = {
    "rewiring-baselines": BaselinesConfig(
        users=24,
        degree=4,
        timescales=(0.5, 4.0),
        runs=3,
        steps=5_000,
        plane_runs=1,
        plane_steps=5_000,
        corner_runs=2,
        course_runs=2,
        scatter_users=(20,),
        scatter_steps=(4_000,),
        scatter_runs=3,
    ),
    "rewiring-santos": SantosConfig(
        users=24,
        degree=4,
        timescales=(0.0, 2.0, 8.0),
        runs=4,
        steps=5_000,
        plane_users=24,
        plane_degree=4,
        plane_timescales=(0.0, 4.0),
        plane_points=3,
        plane_steps=5_000,
    ),
    "rewiring-competition": CompetitionConfig(
        users=40,
        degree=4,
        recommender_timescales=(0.0, 0.063, 0.5),
        runs=3,
        steps=10_000,
        adoption_runs=3,
        adoption_steps=10_000,
        wall_users=30,
        wall_degree=4,
        wall_runs=3,
        wall_steps=2_400,
    ),
    "rewiring-games": GamesConfig(
        users=24, degree=4, timescales=(1.0,), points=2, runs=2, factors=(0.5, 1.5), goods_runs=2, steps=5_000
    ),
    "rewiring-learning": LearningConfig(
        seeds=2,
        steps=(512,),
        num_envs=8,
        num_steps=(16,),
        num_minibatches=2,
        evaluation_users=(10,),
        evaluation_episodes=(8,),
        num_chunks=4,
    ),
    "rewiring-market": MarketConfig(
        seeds=2,
        users=(10,),
        steps=(512,),
        num_envs=8,
        num_steps=16,
        num_minibatches=2,
        evaluation_users=(10,),
        evaluation_episodes=(8,),
        bait_episodes=8,
        num_chunks=4,
    ),
}
FIGURES = {
    "rewiring-baselines": {"figure5", "figure6", "scatter20", "segregation"},
    "rewiring-santos": {"critical", "contours"},
    "rewiring-competition": {"figure15", "figure16", "walls"},
    "rewiring-games": {"planes", "goods"},
    "rewiring-learning": {"curves10", "scatter10", "looks"},
    "rewiring-market": {"outcomes10", "bait10", "curves10"},
}


@pytest.mark.slow
def test_attention_learns_the_same_from_a_graphs_tuple(tmp_path):
    """Up to rounding: sums over ties are taken in another order."""
    dense = dataclasses.replace(TINY["rewiring-learning"], networks=("gat",), rewards=("aligned",), steps=(256,))
    learned = []
    for config in (dense, dataclasses.replace(dense, observe_as="graphs_tuple")):
        keys = jax.random.split(jax.random.key(0), config.seeds)
        agent = config.agent(10, "gat", "aligned")
        assert agent.env.observe_as == config.observe_as
        learned.append(fit(agent, keys, jaxrec.batched(agent.env.default_params, config.seeds), 1).network_params)
    for one, other in zip(*map(jax.tree.leaves, learned), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


STUDIES = [name if name == "rewiring-santos" else pytest.param(name, marks=pytest.mark.slow) for name in TINY]


@pytest.fixture(scope="module", params=STUDIES)
def tiny_run(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / request.param
    return request.param, study(request.param).run(config=TINY[request.param], out=out)


def test_the_folder_holds_report_results_and_pictures(tiny_run):
    name, folder = tiny_run
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    files = {name for name in files if not name.startswith("checkpoints/")}
    pictures = {f"figures/{figure}.png" for figure in FIGURES[name]}
    assert files == {"report.md", "results.json", "measured.npz", "metrics.jsonl", "manifest.json"} | pictures
    text = (folder / "report.md").read_text()
    assert all(picture in text for picture in pictures)
    results = json.loads((folder / "results.json").read_text())
    names = [finding["name"] for finding in results["findings"]]
    assert names
    assert len(set(names)) == len(names)
    assert all(name in text for name in names)


@pytest.mark.slow
def test_putting_ended_episodes_away_loses_none(monkeypatch):
    """Whoever ended before anything was put away ended as without; the others go on with other draws."""
    env, policies = LearningConfig().env(10, "engagement"), learning.stacked(("good", "bad"))
    whole, parts = (
        [
            monkeypatch.setattr(whole_episodes, "MIN_BATCH", small),
            play.play(env, policies, jax.random.key(0), 64, NoMeter()),
        ][1]
        for small in (10_000, 8)
    )
    same = np.all([whole[name] == parts[name] for name in whole], axis=0)
    assert same.shape == (2, 64)
    assert (same.mean(axis=1) >= 1 - 1 / whole_episodes.SHRINK).all()
    assert not same.all()
    assert np.isin(parts["cooperation"] * 10, np.arange(11)).all()
    assert (parts["max_degree"] > 0).all(), "every episode was noted"


@pytest.mark.slow
def test_who_is_recommended_counts_only_where_the_tie_goes_there():
    """Whoever recommends the focused user to itself recommends nobody."""
    env, policies = LearningConfig().env(10, "engagement"), jax.tree.map(lambda leaf: leaf[None], ToThemselves())
    played = play.play(env, policies, jax.random.key(0), 4, NoMeter())
    assert (played["requests"] > 0).all()
    assert (played["rewires"] == 0).all()
    assert np.isnan(played["action_strategy"]).all()
    assert np.isnan(played["action_degree"]).all()


class ToThemselves(struct.PyTreeNode):
    """Recommends the focused user."""

    nothing: Any = struct.field(default_factory=lambda: jnp.zeros(()))

    def init(self, key):
        return ()

    def act(self, memory, obs, key):
        return obs.focused, memory


@pytest.mark.slow
def test_no_return_is_drawn_before_an_episode_has_ended(tmp_path):
    config = dataclasses.replace(TINY["rewiring-learning"], steps=(256,), num_chunks=2, num_steps=(4,))
    learned, _ = learning.train(config, Run(10, "aligned", "mlp"), jax.random.key(3), Tools(FolderLog(tmp_path)))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    ended = [row["episodes"] > 0 for row in rows if row["part"] == "training"]
    returns = learned.curves["episode_return"]
    assert np.isnan(returns[0]).any(), "too few steps for each seed to end one"
    assert np.isfinite(returns).any(axis=1).tolist() == ended
    assert [row["episode_return"] is not None for row in rows] == ended


def test_lines_leave_out_what_is_no_number():
    axes = Figure().subplots()
    samples = np.array([[np.nan, np.nan, np.nan], [1.0, np.nan, np.nan], [1.0, 2.0, 6.0]])
    interval_line(axes, [0, 1, 2], samples, "returns", "black")
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 1], [2, 3]])


@pytest.mark.parametrize(
    ("run", "claimed"),
    [
        (Run(10, "aligned", "mlp"), True),
        (Run(10, "engagement", "gat"), True),
        (Run(10, "engagement", "mlp"), False),
        (Run(30, "aligned", "gat"), True),
        (Run(100, "aligned", "mlp"), False),
    ],
)
def test_a_claim_is_the_papers_where_it_makes_it(run, claimed):
    metric = JUDGED[run.reward]
    played = {run.users: {metric: np.array([[0.6, 0.7], [0.61, 0.71]])}}
    one = Learned(run, np.zeros(1), {}, played)
    rivals = Rivals(played[run.users], {metric: ("good", np.array([0.1, 0.2, 0.1, 0.2]))})
    config = LearningConfig(
        users=(run.users,), rewards=(run.reward,), networks=(run.network,), evaluation_users=(run.users,)
    )
    (claim,) = claims.claims(config)
    assert (claim.source == claims.PAPER) == claimed
    finding = claim.finding(Measured([one], {run.users: rivals}, {}))
    assert finding.name == f"{run}: {metric} beyond good, the best of eleven heuristics"
    assert finding.holds
    assert finding.value == pytest.approx(0.505)


def test_what_training_on_adds_is_held_against_where_it_began():
    """Seed by seed, both played in the larger society; of each reward and network apart."""
    at_10 = {30: {"cooperation": np.array([[0.2, 0.4], [0.5, 0.5]]), "requests": np.array([[3.0, 5.0], [4.0, 4.0]])}}
    at_30 = {30: {"cooperation": np.array([[0.4, 0.4], [0.6, 0.6]]), "requests": np.ones((2, 2))}}
    runs = [Run(users, reward, "mlp") for users in (10, 30) for reward in ("aligned", "engagement")]
    learned = [Learned(run, np.zeros(1), {}, at_10 if run.users == 10 else at_30) for run in runs]
    config = LearningConfig(users=(10, 30), networks=("mlp",), evaluation_users=(30,), warm_start=True)
    found = [one.finding(Measured(learned, {}, {})) for one in claims.claims(config) if "was learned at" in one.name]
    assert {one.name: one.value for one in found} == {
        "mlp for aligned, N = 30: cooperation beyond what was learned at N = 10": pytest.approx(0.1),
        "mlp for engagement, N = 30: requests beyond what was learned at N = 10": pytest.approx(-3.0),
    }


@pytest.mark.slow
def test_the_gpu_preset_runs_scaled_down(tmp_path):
    """Its sizes and lengths are smaller here; larger societies start from the weights of smaller ones, as in it."""
    config = dataclasses.replace(
        GPU,
        seeds=2,
        users=(10, 30),
        steps=(256, 256),
        num_envs=8,
        num_steps=(4, 2),
        num_minibatches=2,
        learning_rates=GPU.learning_rates[:2],
        evaluation_users=(10, 30),
        evaluation_episodes=(4, 2),
        num_chunks=2,
    )
    folder = study("rewiring-learning").run(config=config, out=tmp_path / "gpu")
    learned = json.loads((folder / "results.json").read_text())["learned"]
    assert [one["users"] for one in learned] == [10] * 2 + [30] * 2
    assert all(np.isfinite(one["curves"]["entropy"]).all() for one in learned)


def plain_cooperation(temptation, sucker, users=40, degree=20, steps=5_000, graphs=200, runs_of_each=10):
    """The share of cooperators where games without rewiring end: a NumPy loop, graphs of networkx."""
    rng, runs = np.random.default_rng(0), np.arange(graphs * runs_of_each)
    ties = [nx.to_numpy_array(nx.random_regular_graph(degree, users, seed)) for seed in range(graphs)]
    near = np.repeat([np.nonzero(tied)[1].reshape(users, degree) for tied in ties], runs_of_each, axis=0)
    cooperates = rng.random((len(runs), users)) < 0.5

    def fitness(user):
        mine, theirs = cooperates[runs, user][:, None], cooperates[runs[:, None], near[runs, user]]
        return np.where(mine, np.where(theirs, 1.0, sucker), np.where(theirs, temptation, 0.0)).sum(axis=1)

    for _ in range(steps):
        x = rng.integers(users, size=len(runs))
        y = near[runs, x, rng.integers(degree, size=len(runs))]
        chance = 1 / (1 + np.exp(-0.005 * np.maximum(0.0, fitness(y) - fitness(x))))
        cooperates[runs, x] = cooperates[runs, np.where(rng.random(len(runs)) < chance, y, x)]
    return cooperates.mean()


@pytest.mark.slow
def test_harmony_and_the_prisoners_dilemma_lie_where_the_plane_has_them():
    """Where a plain loop ends; the standard error of a difference is .017."""
    values = {"temptation": (0.0, 2.0), "sucker": (-1.0, 1.0), "timescale": (0.0,)}
    ends = sweep(RewiringGame(40, 20, "carvalho"), jax.random.key(0), ["null"], values, 1_000, 5_000, NoMeter())
    cooperation = np.asarray(ends.cooperation).reshape(2, 2, 1_000).mean(axis=-1)
    assert cooperation[0, 1] == pytest.approx(plain_cooperation(0.0, 1.0), abs=0.06), "harmony"
    assert cooperation[1, 0] == pytest.approx(plain_cooperation(2.0, -1.0), abs=0.06), "the prisoner's dilemma"


def test_the_numbers_are_fractions_of_users(tiny_run):
    name, folder = tiny_run
    results = json.loads((folder / "results.json").read_text())
    if name == "rewiring-baselines":
        cooperation = np.array(results["heuristics"]["cooperation"])
        assert cooperation.shape == (5, 2, 3)
        plane = np.array(results["plane"]["cooperation"])
        assert plane.shape == (7, 7, 1)
        assert ((plane >= 0) & (plane <= 1)).all()
    elif name == "rewiring-santos":
        cooperation = np.array(results["plane"]["cooperation"])
        assert cooperation.shape == (2, 3, 3)
    elif name == "rewiring-games":
        cooperation = np.array(results["plane"]["cooperation"])
        assert cooperation.shape == (6, 2, 2, 1, 2)
        assert np.array(results["goods"]["cooperation"]["player"]).shape == (2, 6, 1, 2)
    elif name == "rewiring-learning":
        heuristics = results["heuristics"]["10"]["cooperation"].values()
        cooperation = np.array(
            [*(value for one in results["learned"] for value in one["played"]["10"]["cooperation"]), *heuristics]
        )
        assert [one["reward"] for one in results["learned"]] == ["aligned", "aligned", "engagement", "engagement"]
    elif name == "rewiring-market":
        played = [one["played"]["10"] for one in results["learned"].values()]
        shares = [np.sum(one["share"], axis=0) for one in played]
        assert all((share <= 1 + 1e-6).all() for share in shares), "what two learners have together"
        alone = [one for run, one in results["learned"].items() if ", monopoly, " in run]
        assert len(alone) == 2
        assert all((np.array(one["played"]["10"]["share"]) == 1).all() for one in alone)
        for place in results["heuristics"].values():  # whom those recommend who look at the strategies
            served = {one: [place[to][one] for to in ("to_cooperators", "to_defectors")] for one in place["share"]}
            assert [served[one] for one in ("good", "bad", "fair")] == [[1, 1], [0, 0], [1, 0]]
        cooperation = np.array([one["cooperation"][0] for one in played])
    else:
        shares = np.array(results["figure15"]["shares"])
        np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-6)
        start = [EXPERIMENTS["many against a local majority"].get(kind, 0) for kind in KINDS]
        as_they_began = shares[:, 0, 0].mean(axis=1)  # W2 = 0
        np.testing.assert_allclose(as_they_began, np.tile(start, (2, 1)), atol=0.5 / 40 + 1e-6)
        cooperation = np.array(results["figure15"]["cooperation"])
        adopted = np.array(results["adoption"]["shares"])
        assert (adopted[:, list(EXPERIMENTS).index("local alone"), :, 0] == 1).all()
    assert ((cooperation >= 0) & (cooperation <= 1)).all()


def test_the_critical_timescale_is_where_half_of_the_runs_cooperate():
    prevails = np.zeros((4, 10), bool)
    prevails[2, :4] = True
    prevails[3, :8] = True
    assert critical_timescale((1.0, 2.0, 3.0, 4.0), prevails) == pytest.approx(3.25)
    assert np.isnan(critical_timescale((1.0, 2.0), np.zeros((2, 5), bool)))


def test_agreement_holds_for_the_reference_itself_and_fails_far_from_it():
    draws = np.random.default_rng(0)
    error = 0.3 / np.sqrt(200)
    samples = draws.normal(0.5, 0.3, (20, 20))
    cells = {f"cell {i}": (i, 0.5, error) for i in range(20)}
    assert reference.agreement("x", cells, np.asarray).finding(samples).holds
    far = reference.agreement("x", cells | {"far": (20, 0.5, error)}, np.asarray).finding(
        np.concatenate([samples, draws.normal(0.9, 0.3, (1, 20))])
    )
    assert not far.holds
    assert far.source == "independent program; largest at far"
    # A cell where every run of the reference ended alike allows no other end.
    ends = {"one": np.eye(10)[0], "none": np.zeros(10)}
    assert not reference.agreement("x", {"one of ten": ("one", 0.0, 0.0)}, dict).finding(ends).holds
    assert reference.agreement("x", {"none": ("none", 0.0, 0.0)}, dict).finding(ends).holds


def test_agreement_blames_a_program_of_the_same_law_no_oftener_than_it_says():
    """All pairs of counts of 16 and of 40 runs, each by its probability.

    Taken for certain, a reference of 40 of 40 blamed 39 % of such runs at 0.97.
    """
    blamed = np.zeros((17, 41))
    for theirs in range(41):
        claim = reference.agreement("x", {"all": ("all", theirs / 40, None)}, dict, 40)
        for ours in range(17):
            blamed[ours, theirs] = not claim.finding({"all": (np.arange(16) < ours).astype(float)}).holds
    for chance in (0.5, 0.9, 0.97, 0.99, 1.0):
        drawn = stats.binom.pmf(np.arange(17), 16, chance), stats.binom.pmf(np.arange(41), 40, chance)
        assert drawn[0] @ blamed @ drawn[1] < 0.08


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("rewiring-baselines", {"degree": 500}, "degree"),
        ("rewiring-baselines", {"rules": "carvallo"}, "Did you mean 'carvalho'"),
        ("rewiring-baselines", {"runs": 0}, "runs"),
        ("rewiring-baselines", {"scatter_steps": (1,)}, "scatter_steps"),
        ("rewiring-santos", {"timescales": (-1.0,)}, "timescales"),
        ("rewiring-competition", {"beta_recommender": -1.0}, "beta_recommender"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_written(name, changes, message, tmp_path):
    chosen = study(name)
    with pytest.raises(jaxrec.InputError, match=message):
        chosen.run(config=chosen.config("quick", **changes), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
