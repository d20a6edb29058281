"""Every registered society names its users, and spares them where it has no influence."""

import pytest

import jaxrec
from jaxrec.causal import dependence_of, preference_leaves, preference_path
from jaxrec.envs.learned import BeliefTransformer

SMALL = {
    "LearnedUsers-v0": {"horizon": 3, "network": BeliefTransformer(width=4, heads=1, layers=0, mixtures=1)},
    "PolarisingUsers-v0": {"horizon": 4},
    "PreferenceShift-v0": {"horizon": 3},
    "RewiringGame-v0": {"num_users": 6, "degree": 2},
    "RewiringMarket-v0": {"num_users": 6, "degree": 2},
}
USERS = {
    "LearnedUsers-v0": ("current",),
    "PolarisingUsers-v0": ("theta",),
    "PreferenceShift-v0": ("preference",),
    "RewiringGame-v0": ("society.cooperators",),
    "RewiringMarket-v0": ("society.cooperators",),
}


def test_all_are_here():
    assert sorted(SMALL) == sorted(USERS) == jaxrec.registered_envs()


# Ten seconds each, and more; what influence 0 promises, test_testing asks of all.
SLOW = ("LearnedUsers-v0", "PreferenceShift-v0", "RewiringGame-v0", "RewiringMarket-v0")


@pytest.mark.parametrize("env_id", [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in SMALL])
def test_users_are_a_means_with_influence_alone(env_id):
    env, params = jaxrec.make(env_id, **SMALL[env_id])
    assert preference_leaves(env) == USERS[env_id]
    on, off = (dependence_of(env, params.replace(influence=value), samples=128) for value in (1.0, 0.0))
    for found in (on, off):
        assert found.found.step <= found.possible.step, "what is found, the program allows"
        assert found.found.observation <= found.possible.observation
        assert found.found.reward <= found.possible.reward
    assert preference_path(env, on.unrolled())
    assert preference_path(env, off.unrolled()) is None
    assert not {("action", leaf) for leaf in USERS[env_id]} & off.found.step
