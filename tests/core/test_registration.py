"""`make` and `register`, and the errors of bad input."""

import pytest
from probes import Chain

import jaxrec
from jaxrec import registration


@pytest.fixture
def clean_registry(monkeypatch):
    monkeypatch.setattr(registration, "_FACTORIES", dict(registration._FACTORIES))


def test_register_then_make(clean_registry):
    jaxrec.register("Chain-v0", Chain)
    env, params = jaxrec.make("Chain-v0", length=7)
    assert env == Chain(length=7)
    assert params == env.default_params
    assert "Chain-v0" in jaxrec.registered_envs()
    with pytest.raises(jaxrec.InputError, match="already registered"):
        jaxrec.register("Chain-v0", Chain)


@pytest.mark.parametrize(("env_id", "factory"), [("", Chain), (3, Chain), ("Other-v0", "Chain")])
def test_register_refuses(clean_registry, untyped, env_id, factory):
    with pytest.raises(jaxrec.InputError):
        jaxrec.register(env_id, factory)


def test_unknown_environment_names_the_nearest():
    with pytest.raises(jaxrec.InputError, match="Did you mean 'PolarisingUsers-v0'"):
        jaxrec.make("PolarizingUsers")


def test_run_time_values_are_not_constructor_arguments():
    with pytest.raises(jaxrec.InputError, match=r"params\.replace"):
        jaxrec.make("PolarisingUsers-v0", influence=0.0)


def test_an_environment_of_ones_own_is_named_by_its_module():
    env, _ = jaxrec.make("jaxrec.envs.polarising:PolarisingUsers", horizon=3)
    assert env.horizon == 3


@pytest.mark.parametrize(
    ("env_id", "wrong"),
    [("nowhere:Mine", "No module named"), ("jaxrec.envs.polarising:Mine", "no attribute"), (":Mine", "Empty module"),
     ("jaxrec:make", "must name a class of environments")],
)  # fmt: skip
def test_what_cannot_be_imported_is_refused(env_id, wrong):
    with pytest.raises(jaxrec.InputError, match=wrong):
        jaxrec.make(env_id)
