"""Clients of other libraries on every environment, and the page that says so."""

import doctest

import gymnasium
import gymnax.experimental
import jax
import jax.numpy as jnp
import pytest
from gymnax.environments import spaces as gymnax_spaces
from paths import ROOT
from probes import Chain, MaskedArms

import jaxrec
from benchmarks.clients import CLIENTS, ENVIRONMENTS, outcome
from benchmarks.clients_of.slates import Readers
from jaxrec import gymnasium as door
from jaxrec.slate_policies import Ranked
from jaxrec.slates import Slate

REASONS = {
    "gymnax GymnaxToEvoJaxTask": "takes no other",
    "gymnax FlattenObservationWrapper": "one array",
    "gymnax GymnaxToGymWrapper": "where its space says dicts",
    "gymnax GymnaxToVectorGymWrapper": "where its space says dicts",
}
"""What is said of clients that cannot take an environment."""

REASONS_OF_SLATES = {
    "Stable-Baselines3 DQN": "Discrete actions alone",
    "gymnax StickyActionWrapper": "Discrete actions alone",
    "gymnax GymnaxToGymWrapper": "no space of slates",
    "gymnax GymnaxToVectorGymWrapper": "no space of slates",
    "d3rlpy DiscreteCQL": "one of n",
} | {client: "one of n" for client in CLIENTS if client.startswith("rejax")}
"""What is said of clients that cannot take slates."""


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of what other libraries, above all d3rlpy, import
@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_runs_every_environment_or_says_why_not(client, env):
    found, reasons = outcome(client, env), REASONS if env in jaxrec.registered_envs() else REASONS | REASONS_OF_SLATES
    assert found in ("ok", "not installed") or reasons[client] in found


def test_the_society_of_slates_keeps_the_contract():
    jaxrec.api_test(Readers())


def test_the_page_has_a_row_for_each_client_and_no_error():
    page = (ROOT / "docs" / "clients.md").read_text()
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert set(CLIENTS) | {"client"} == set(cells)
    assert cells.pop("client") == list(ENVIRONMENTS)
    letters = {line[2] for line in page.splitlines() if line[:2] == "- " and line[3:5] == ": "}
    assert {cell for row in cells.values() for cell in row} <= {"ok", *letters}
    assert "Error:" not in page


def test_structures_pass_for_dicts_of_gymnax():
    space = MaskedArms().observation_space()
    assert isinstance(space, gymnax_spaces.Dict)
    assert not isinstance(space, gymnax_spaces.Box)
    assert set(space.spaces) == {"action_mask", "requested"}
    theirs = gymnax_spaces.gymnax_space_to_gym_space(space)
    assert isinstance(theirs, gymnasium.spaces.Dict)


def test_evaluations_of_other_libraries_find_a_number_of_steps():
    env = Chain()
    rolled = gymnax.experimental.RolloutWrapper(env=env, num_env_steps=40)
    *_, reward, _, done, total = rolled.single_rollout(jax.random.key(0), None)
    assert float(total[0]) == pytest.approx(float(reward[: int(jnp.argmax(done)) + 1].sum()), abs=1e-5)
    assert gymnax.experimental.RolloutWrapper(env=env).num_env_steps == 10_000


@pytest.mark.parametrize("shown", [door.Env, door.VectorEnv, Slate, Ranked], ids=lambda x: x.__name__)
def test_examples_give_what_they_show(shown):
    names = {"jax": jax, "jnp": jnp, "jaxrec": jaxrec, "Slate": Slate, "Ranked": Ranked} | vars(door)
    (example,) = doctest.DocTestFinder(recurse=False).find(shown, globs=names)
    assert doctest.DocTestRunner().run(example).failed == 0
