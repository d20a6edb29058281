"""Settings of studies: what a study would refuse while it runs is refused by the setting's name before it begins.

Nothing is trained or simulated here.
"""

import contextlib
import dataclasses
import json
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from nested import nested

import jaxrec
from jaxrec import checks
from jaxrec.cli import main
from jaxrec.envs.rewiring import Simulation
from jaxrec.envs.rewiring.simulation import simulator
from jaxrec.experiments import STUDIES, study
from jaxrec.experiments.rewiring.santos import claims as santos
from jaxrec.experiments.runs.limits import check_training
from jaxrec.experiments.runs.metrics_log import FolderLog
from jaxrec.experiments.runs.tools import Tools

PATCHED = [hypothesis.HealthCheck.function_scoped_fixture]
INFINITY, MOST = float("inf"), checks.MOST_STEPS
FEW = {"users": 24, "degree": 4}

REFUSED = {
    "tampering": [
        ({"episodes": 200_000_000}, "episodes must come to at most 4,294,967,295 steps over all environments"),
        ({"episodes": 1, "q_learning": {"num_envs": 2**31}}, "must come to at most .* num_envs=2,147,483,648 times"),
        ({"episodes": 71_582_790, "q_learning": {"num_envs": 1}}, "must .* 2,147,483,646 steps of each environment"),
        ({"evaluation_episodes": MOST + 1}, "evaluation_episodes must be at most 2147483646"),
    ],
    "mitigations": [
        ({"weights": (0.0, 1.5)}, r"weights must be within \[0.0, 1.0\], got 1.5"),
        ({"weights": ()}, "weights must be numbers, each once to six digits"),
        ({"gammas": (0.5, 0.5)}, "gammas must be numbers, each once to six digits"),
        ({"safe_margin": -0.1}, "safe_margin must be within"),
        ({"episodes": 200_000_000}, "episodes must come to at most 4,294,967,295 steps over all environments"),
    ],
    "audits": [
        ({"cases": ("polarising-tabel",)}, "unknown one of cases 'polarising-tabel'"),
        ({"cases": ()}, "cases must be one name or more, each once"),
        ({"cases": ("polarising-bandit",) * 2}, "cases must be one name or more, each once"),
        ({"cases": ("polarising-table",), "horizon": 78}, "horizon, num_users: env must have indexable observations"),
        ({"cases": ("rewiring-ranking",), "num_users": 4}, "horizon, num_users: degree must be below num_users=4"),
        ({"cases": ("polarising-bandit",), "training_users": 2_000}, "training_users, model: training_users must be"),
        ({"cases": ("polarising-bandit",), "ppo_timesteps": 2**40}, "ppo_timesteps must come to at most"),
        ({"cases": ("polarising-bandit",), "table_timesteps": 5_000_000_000}, "table_timesteps must come to at most"),
    ],
    "audit": [
        ({"env": "PolarisingUser-v0"}, "env, args, params: unknown environment 'PolarisingUser-v0'"),
        ({"args": ("horizon",)}, "env, args, params: args must be of the form name=value, got 'horizon'"),
        ({"params": ("influence=2",)}, r"env, args, params: influence must be within \[0.0, 1.0\], got 2"),
        ({"env": "PreferenceShift-v0"}, "agent: env must have indexable observations for tabular Q-learning"),
        ({"agent": "ppo", "network": "ranking"}, "network, ppo: network Ranking does not take what"),
        ({"timesteps": 5_000_000_000}, "timesteps must come to at most 4,294,967,295 steps over all environments"),
        ({"evaluation_episodes": MOST + 1}, "evaluation_episodes must be at most 2147483646"),
    ],
    "train": [
        ({"env": "PolarisingUser-v0"}, "env, args, params: unknown environment 'PolarisingUser-v0'"),
        ({"network": "lstm"}, "network must stay at 'mlp' with agent 'q-learning', which ignores it; got 'lstm'"),
        ({"hidden_size": 32}, "hidden_size must stay at 64 with agent 'q-learning'"),
        ({"ppo": {"gamma": 0.5}}, "ppo: gamma must stay at 0.99 with agent 'q-learning', which ignores it; got 0.5"),
        ({"agent": "ppo", "q_learning": {"gamma": 0.5}}, "q_learning: gamma must stay at 0.999 with agent 'ppo'"),
        ({"agent": "ppo", "network": "lstm", "num_layers": 1}, "num_layers must stay at 2 with network 'lstm'"),
        ({"q_learning": {"alpha_end": 0.1}}, "q_learning: alpha_end must stay at 0.06 with step_size 'visits'"),
        ({"evaluation_episodes": MOST + 1}, "evaluation_episodes must be at most 2147483646"),
    ],
    "sweep": [
        ({"over": ()}, "over must name at least one setting"),
        ({"over": ("gamma",)}, "over must be of the form name=value, got 'gamma'"),
        ({"over": ("gamma=0,1", "gamma=0.5")}, "over must name each value once"),
        ({"over": ("gamma=0,x",)}, "over must have finite numbers, such as gamma=0.1,0.2, got gamma=0,x"),
        ({"over": ("gamma=0,0.0",)}, "over must have each value once, numbers to six digits, got gamma=0,0.0"),
        ({"over": ("gamma=0,nan",)}, "over must have finite numbers"),
        ({"over": ("gamma=0,2",)}, r"over: gamma must be within \[0.0, 1.0\]"),
        ({"over": ("gama=0,1",)}, "over: unknown setting that may be swept of QLearning 'gama'"),
        ({"over": ("network=mlp,lstm",)}, "over: unknown setting that may be swept of QLearning 'network'"),
        ({"over": ("alpha_start=0.2,0.4",)}, "over: alpha_start 0.2: q_learning: alpha_start must stay at 0.45"),
        ({"over": ("num_layers=1,2",), "agent": "ppo", "network": "lstm"}, "over: num_layers 1: num_layers must stay"),
        ({"over": ("step_size=0.1,0.2",)}, "over: q_learning: step_size must be a string, got 0.1"),
        ({"over": ("params.influence=0,2",)}, r"over: influence must be within \[0.0, 1.0\]"),
        ({"over": ("params.influense=0,1",)}, "over: unknown parameter of PolarisingUsers-v0 'influense'"),
        ({"over": ("params.influence=0,1",), "params": ("influence=1",)}, "params.influence is swept by over"),
        ({"over": ("gamma=" + ",".join(map(str, range(1001))),)}, "over, in combinations, must be at most 1000"),
    ],
    "preference-shift": [
        ({"steps": 0}, "steps must be an integer of at least 1, got 0"),
        ({"steps": 64 * 2**31}, "steps must come to at most 2,147,483,646 steps of each environment, got 137,4"),
        ({"ppo": {"num_envs": 6}}, "num_minibatches must divide num_envs=6, got 4"),
        ({"eval_episodes": 2**31}, "eval_episodes must be at most"),
        ({"penalties": (0.0, 1e7)}, r"penalties must be within \[0.0, 1000000.0\], got 10000000.0"),
        ({"penalties": (INFINITY,)}, "penalties must be within"),
        ({"penalties": (0.1, 0.1 + 1e-12)}, "penalties must be one number or more, each once to six digits"),
        ({"penalties": ()}, "penalties must be one number or more"),
    ],
    "preference-simulation": [
        ({"users": 2**31}, "users must be at most 2147483646"),
        ({"model": {"learning_rate": 1e7}}, r"model: learning_rate must be within \[0.0, 1000000.0\]"),
        ({"model": {"ent_coef": INFINITY}}, "model: ent_coef must be within"),
        ({"model": {"num_epochs": 10**9}}, "model: num_epochs, of 60 updates each, must be at most 35791394"),
        ({"eval_episodes": 1}, "eval_episodes must be at least 2"),
        ({"steps": 2**40}, "steps must come to at most"),
    ],
    "preference-estimation": [
        ({"simulated_users": 2**31}, "simulated_users must be at most"),
        ({"model": {"num_epochs": 2**40}}, "model: num_epochs, of 60 updates each, must be at most"),
    ],
    "offline": [
        ({"seeds": 0}, "seeds must be an integer of at least 1, got 0"),
        ({"users": (1000, 300)}, "users must rise, got"),
        ({"users": ()}, "users must have at least one value"),
        ({"explorations": (0.0, 1.0)}, "explorations must be within"),
        ({"thresholds": (0.1, 0.1)}, "thresholds must have each value once"),
        ({"thresholds": (1.5,)}, "thresholds must be within"),
        ({"pessimisms": (-1.0,)}, "pessimisms must be within"),
        ({"resamples": 1}, "resamples must be within"),
    ],
    "retraining-rounds": [
        ({"bait_height": INFINITY}, r"bait_height must be within \[0.0, 1000000.0\], got inf"),
        ({"bait_height": 2e6}, "bait_height must be within"),
        ({"steps": 2**40}, "steps must come to at most"),
    ],
    "proxy": [
        ({"shares": (0.5, 0.5)}, "shares must be one a kind of user and sum to 1"),
        ({"shares": (0.5, 0.5, 0.5, 0.5)}, "shares must be one a kind of user and sum to 1"),
        ({"noise": 1.5}, r"noise must be within \[0.0, 1.0\], got 1.5"),
        ({"cost": -0.1}, "cost must be within"),
        ({"told": 1.0}, "told must be within"),
        ({"betas": ()}, "betas must have at least one value"),
        ({"betas": (1.0, 1.0)}, "betas must have each value once"),
        ({"bait_centre": 400.0}, "bait_centre must be within"),
        ({"steps": 2**40}, "steps must come to at most"),
    ],
    "rewiring-learning": [
        ({"steps": (300_000_000_000,)}, "steps must come to at most .* steps of each environment, got 300,000,000,000"),
        ({"num_steps": (0,)}, "num_steps must be an integer of at least 1, got 0"),
        ({"num_envs": 3, "num_steps": (5,)}, r"num_minibatches must divide num_envs \* num_steps=15, got 8"),
        ({"gae_lambdas": (0.8, 5.0)}, r"gae_lambdas must be within \[0.0, 1.0\], got 5.0"),
        ({"ent_coefs": (0.0, 1e7)}, "ent_coefs must be within"),
        ({"learning_rates": (-1.0,)}, "learning_rates must be within"),
        ({"evaluation_episodes": (2**30, 1)}, r"evaluation_episodes \* seeds must be at most 2147483646, got 42"),
    ],
    "rewiring-market": [
        ({"steps": (300_000_000_000,)}, "steps must come to at most .* steps of each environment, got 300,000,000,000"),
        ({"users": (31,)}, "unknown users '31'"),
        ({"markets": ("monopolly",)}, "unknown markets 'monopolly'. Did you mean 'monopoly'"),
        ({"initial_share": 0.01}, "initial_share: shares must leave each learner a user of the 30"),
        ({"recommender_timescale": -1.0}, r"recommender_timescale must be within \[0.0, inf\], got -1.0"),
        ({"evaluation_episodes": (2**30,)}, r"evaluation_episodes and bait_episodes \* seeds must be at most"),
    ],
    "rewiring-baselines": [
        ({"users": 0}, "users, degree, rules: num_users must be an integer of at least 1, got 0"),
        ({"users": 5, "degree": 3}, r"users, degree, rules: num_users \* degree must be even, got 5 \* 3"),
        ({"scatter_users": (4, 500)}, "scatter_users, degree: degree must be below num_users=4, got 30"),
        ({"scatter_users": (500, 500)}, "scatter_steps must be one a size, each size once, got .* for scatter_users="),
        ({"scatter_users": (500,)}, "scatter_steps must be one a size, each size once, got .* for scatter_users="),
        ({"scatter_steps": (0, 100)}, "scatter_steps must be an integer of at least 1, got 0"),
        ({"scatter_steps": (MOST, 100)}, "scatter_steps must be at most"),
        ({"steps": 500_001}, "steps must be a multiple of check_every=5000, got 500001"),
        ({"plane_steps": 1}, "plane_steps must be a multiple of check_every=5000, got 1"),
        ({"plane_runs": -1}, "plane_runs must be within"),
        ({"rules": "learning"}, "rules must read timescales, got 'learning'"),
        ({"steps": 5000 * 2**20}, "steps must be at most"),
    ],
    "rewiring-santos": [
        ({"plane_users": 20_000}, "plane_users, plane_degree: num_users must be at most 16383, got 20000"),
        ({"users": 16_000, "degree": 300}, "users, degree: rules='santos' draws ties: there may be"),
        ({"steps": 7_500}, "steps must be a multiple of check_every=5000, got 7500"),
        ({"plane_steps": 7_500}, "plane_steps must be a multiple of check_every=5000"),
        ({"timescales": (3.0, 1.0)}, "timescales must rise"),
        ({"plane_timescales": ()}, "plane_timescales must have at least one value"),
    ],
    "rewiring-competition": [
        ({"steps": 30_000}, "steps must be a multiple of check_every=20000, got 30000"),
        ({"adoption_steps": 20_001}, "adoption_steps must be a multiple of check_every=20000"),
        ({"adoption_steps": 0}, "adoption_steps must be an integer of at least 1, got 0"),
        ({"beta_recommender": 1e7}, r"beta_recommender must be within \[0.0, 1000000.0\]"),
        ({"degree": 2000}, "users, degree, rules: degree must be below num_users=1000, got 2000"),
        ({"rules": "learning"}, "rules must read timescales, got 'learning'"),
        ({"exclusive": ()}, "exclusive must have at least one value"),
        ({"exclusive": (True, True)}, "exclusive must"),
        ({"wall_steps": 100}, "wall_steps must be a multiple of check_every=24, got 100"),
        ({"wall_users": 20}, "wall_users, wall_degree: degree must be below num_users=20, got 20"),
    ],
}  # fmt: skip
CASES = [(name, *case) for name, cases in REFUSED.items() for case in cases]


def names_of(changes):
    """The names of settings, also of those of an algorithm."""
    return [setting for name, value in changes.items() for setting in (value if isinstance(value, dict) else [name])]


@pytest.mark.parametrize(("name", "changes", "message"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_a_setting_is_refused_by_its_own_name_before_a_folder_is_made(name, changes, message, tmp_path):
    never = dataclasses.replace(study(name), measure=lambda *_: pytest.fail("it began"))
    config = never.config(next(iter(never.presets)), **changes)
    with pytest.raises(jaxrec.InputError, match=message) as error:
        never.run(config=config, out=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert any(setting in str(error.value) for setting in names_of(changes))
    assert not list(tmp_path.iterdir())


BUILDERS = (
    "audits",
    "preference-constants",
    "preference-shift",
    "preference-simulation",
    "proxy",
    "retraining-rounds",
    "rewiring-learning",
    "rewiring-market",
)
"""Studies that build their recommenders in order to check them, which takes longer."""


def slow_if_built(names):
    return [pytest.param(name, marks=pytest.mark.slow) if name in BUILDERS else name for name in names]


@pytest.mark.parametrize("name", slow_if_built(STUDIES))
def test_presets_are_legal(name):
    for preset in STUDIES[name].presets.values():
        preset.check()


@hypothesis.given(st.integers(1, 2**70), st.integers(1, 2**33), st.integers(1, 2**33), st.none() | st.just(2**32 - 1))
@hypothesis.example(2**32 - 1, 1, 1, None)
@hypothesis.example(MOST, 1, 1, None)
def test_a_training_is_as_long_as_agents_count(steps, num_envs, num_steps, most):
    """By the definition: whole updates, of which each has so many steps of every environment."""
    updates = -(-steps // (num_envs * num_steps))
    legal = updates * num_steps <= MOST and (most is None or updates * num_steps * num_envs <= most)
    with contextlib.nullcontext() if legal else pytest.raises(jaxrec.InputError, match="steps must come to at most"):
        check_training("steps", steps, steps, num_envs, num_steps, most)


# What a study takes it can run.


def refused(config, names):
    """Whether; by the name of a setting that was changed."""
    try:
        config.check()
    except jaxrec.InputError as error:
        said = str(error)
    else:
        return False
    assert any(name in said for name in names), said
    return True


def ends(env, queue, key, lanes, limit, chunk, stop_at_fixation, on_test, *others):
    """In place of `simulate`'s loop: where societies might have ended."""
    rng, (runs, kinds) = np.random.default_rng(0), queue.recommenders.local.shape
    of_kinds = ("kind_degree", "kind_payoff", "kind_cooperation")
    left_out = ("series", "shares", "generator", "engine", *of_kinds)
    names = [field.name for field in dataclasses.fields(Simulation) if field.name not in left_out]
    drawn = {name: rng.uniform(size=runs) for name in names}
    shares = rng.dirichlet(np.ones(kinds), runs) if queue.competition is not None else np.zeros((runs, 0))
    drawn |= {"fixated": drawn["fixated"] < 0.5, "shares": shares}
    drawn |= {name: rng.uniform(0.5, 2, (runs, kinds)) for name in of_kinds}
    for steps in (chunk, limit):
        on_test(drawn | {"steps": np.full(runs, steps), "run": np.arange(runs)})
    return drawn | {"steps": np.full(runs, limit)}


runs = st.integers(1, 3)
limits = st.sampled_from([1, 4_999, 5_000, 7_500, 20_000, 30_000, 2_147_480_000, MOST, 2**31])
strengths = st.sampled_from([0.0, 1e-9, 0.063, 1.0, 1e6, 1e7, INFINITY])
scans = st.lists(st.sampled_from([0.0, 0.2, 1.0, 1.066, 7.0, INFINITY]), max_size=3).map(tuple)
sizes = st.sampled_from([1, 2, 5, 24, 25])
degrees = st.integers(0, 6)
SCANS = {
    "rewiring-baselines": {
        "users": sizes, "degree": degrees, "rules": st.sampled_from(["carvalho", "printed", "santos", "learning", "x"]),
        "plane_runs": st.integers(0, 2), "plane_steps": limits, "timescales": scans, "runs": runs, "steps": limits,
        "scatter_users": st.lists(sizes, max_size=2).map(tuple), "scatter_runs": runs,
        "scatter_steps": st.lists(limits, max_size=2).map(tuple),
    },
    "rewiring-santos": {
        "users": sizes, "degree": degrees, "timescales": scans, "runs": runs, "steps": limits, "plane_users": sizes,
        "plane_degree": degrees, "plane_timescales": scans, "plane_points": st.integers(1, 3),
        "plane_runs": st.integers(0, 2), "plane_steps": limits,
    },
    "rewiring-competition": {
        "users": sizes, "degree": degrees, "rules": st.sampled_from(["carvalho", "printed", "santos", "learning"]),
        "beta_recommender": strengths, "timescales": scans, "recommender_timescales": scans, "runs": runs,
        "steps": limits, "artefact": st.booleans(), "adoption_timescale": strengths, "adoption_runs": runs,
        "adoption_steps": limits, "stop_at_fixation": st.booleans(), "wall_users": st.sampled_from([0, 24]),
        "exclusive": st.sampled_from([(True, False), (False,), (True,)]), "wall_timescale": strengths,
    },
}  # fmt: skip
SMALL = {
    "rewiring-baselines": FEW
    | {"corner_runs": 1, "course_runs": 1, "scatter_users": (24,), "scatter_steps": (4_000,), "timescales": (1.0,)},
    "rewiring-santos": FEW | {"plane_users": 24, "plane_degree": 4, "plane_timescales": (1.0,), "plane_points": 2},
    "rewiring-competition": FEW | {"recommender_timescales": (0.063,), "wall_users": 0, "wall_degree": 4},
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "rewiring-santos")) for name in SCANS]
)
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=12, deadline=None, suppress_health_check=PATCHED)
def test_what_a_scan_takes_it_runs_to_its_report(name, data, monkeypatch, tmp_path):
    """Societies apart, all of the study runs: what `simulate` refuses would be raised here."""
    monkeypatch.setattr(simulator, "_run", ends)
    monkeypatch.setattr(santos, "RESAMPLES", 20)
    names = data.draw(st.lists(st.sampled_from(sorted(SCANS[name])), max_size=3, unique=True))
    changes = {setting: data.draw(SCANS[name][setting]) for setting in names}
    config = STUDIES[name].config("quick", **(SMALL[name] | changes))
    if refused(config, names):
        return
    report = STUDIES[name].judged(config, STUDIES[name].measure(config, Tools(FolderLog(tmp_path))))
    assert report.findings
    assert report.answers


def test_a_scan_that_does_not_find_w_c_says_so(monkeypatch, tmp_path, capsys):
    """Where no run ends in cooperation: the last line was a traceback, of a number that is None."""

    def defectors(*given):
        ended = ends(*given)
        return ended | {"cooperation": 0 * ended["cooperation"]}

    monkeypatch.setattr(simulator, "_run", defectors)
    monkeypatch.setattr(santos, "RESAMPLES", 20)
    main(["run", "rewiring-santos", "--timescales", "0", "1", "--plane-runs", "0", "--out", str(tmp_path / "run")])
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {tmp_path / 'run' / 'report.md'}"
    first = json.loads((tmp_path / "run" / "results.json").read_text())["findings"][0]
    assert first["name"] == "W at which half of the runs end in cooperation"
    assert [first[name] for name in ("value", "low", "high", "holds")] == [None] * 4


class BegunError(Exception):
    """Everything was checked, and the training would begin."""


def begin(*_):
    raise BegunError


counts = st.sampled_from([1, 2, 3, 8, 64])
PPO = {
    "ppo.gamma": strengths, "steps": st.sampled_from([1, 1000, 2**31, 2**36]), "ppo.num_envs": counts,
    "ppo.num_steps": counts, "ppo.num_epochs": counts, "ppo.num_minibatches": counts, "ppo.learning_rate": strengths,
    "ppo.clip_eps": strengths, "ppo.value_clip_eps": strengths, "ppo.vf_coef": strengths, "ppo.gae_lambda": strengths,
    "ppo.ent_coef": strengths, "hidden_size": counts, "num_chunks": st.sampled_from([1, 10**9]),
    "eval_episodes": st.sampled_from([1, 2**31]),
}  # fmt: skip
TRAINED = {
    "tampering": {
        "seeds": counts, "seed": st.sampled_from([0, 2**31 - 1]), "q_learning.num_envs": counts | st.just(2**31),
        "episodes": st.sampled_from([1, 10**6, 71_582_788, 71_582_789, 2**33]), "q_learning.num_steps": counts,
        "q_learning.gamma": strengths, "q_learning.epsilon_start": strengths,
        "q_learning.step_size": st.sampled_from(["visits", "geometric"]), "q_learning.visit_weight": strengths,
        "q_learning.alpha_start": strengths, "q_learning.alpha_end": strengths, "q_learning.td_lambda": strengths,
        "num_chunks": st.sampled_from([1, 10**9]),
    },
    "preference-shift": PPO | {"seeds": counts, "penalties": st.lists(strengths, max_size=3).map(tuple)},
    "rewiring-learning": {
        "seeds": counts, "networks": st.sampled_from([("mlp",), ("gat",)]), "gat_layers": st.integers(0, 2),
        "steps": st.sampled_from([1, 10**9, 2**40]).map(lambda steps: (steps,)), "gat_share": strengths,
        "num_envs": counts, "num_steps": counts.map(lambda steps: (steps,)), "num_minibatches": counts,
        "learning_rates": strengths.map(lambda rate: (rate,)), "gae_lambdas": st.tuples(strengths, strengths),
        "ent_coefs": st.tuples(strengths, strengths), "fitted_values": st.booleans(), "gamma": strengths,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", slow_if_built(TRAINED))
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=10, deadline=None, suppress_health_check=PATCHED)
def test_what_a_study_takes_its_agent_begins_with(name, data, monkeypatch, tmp_path):
    """Up to the memory of the machine, of which settings know nothing."""
    monkeypatch.setattr(sys.modules["jaxrec.training.parallel"], "check_fits", begin)
    names = data.draw(st.lists(st.sampled_from(sorted(TRAINED[name])), max_size=3, unique=True))
    changes = nested({setting: data.draw(TRAINED[name][setting]) for setting in names})
    config = STUDIES[name].config("quick", **changes)
    if refused(config, [name.rpartition(".")[2] for name in names]):
        return
    with pytest.raises(BegunError):
        STUDIES[name].measure(config, Tools(FolderLog(tmp_path)))
