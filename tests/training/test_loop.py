"""The training loop: where it stops, what it says, and where it goes on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from probes import Cue

import jaxrec
from jaxrec import EnvParams
from jaxrec.training import TrainingError, fit, parallel


class Diverges(struct.PyTreeNode):
    """An agent whose second run loses its numbers in the fourth batch."""

    env: object = struct.field(pytree_node=False, default=Cue(1))
    num_updates: int = struct.field(pytree_node=False, default=6)

    def check(self):
        pass

    def init(self, key, params):
        return params.influence

    def advance(self, state, params, first, last):
        return state, {"reward": jnp.where(last > 3, jnp.log(state - 0.5), 1.0)}


def test_a_training_that_loses_its_numbers_stops_and_says_which():
    params = jaxrec.batched(EnvParams(), 2).replace(influence=jnp.array([1.0, 0.0]))
    with pytest.raises(TrainingError, match=r"reward of runs \[1\] was not finite in updates 2 ... 3"):
        fit(Diverges(), jax.random.split(jax.random.key(0), 2), params, num_chunks=3)


class DivergesAtLast(Diverges):
    """It loses them in the last update, of which no metric tells."""

    def advance(self, state, params, first, last):
        return jnp.where(last == 6, jnp.log(state - 0.5), state), {"reward": 1.0 + 0 * state}


def test_a_training_that_loses_its_numbers_in_the_last_update_returns_none():
    params = jaxrec.batched(EnvParams(), 2).replace(influence=jnp.array([1.0, 0.0]))
    with pytest.raises(TrainingError, match=r"state of runs \[1\] was not finite in updates 4 ... 5"):
        fit(DivergesAtLast(), jax.random.split(jax.random.key(0), 2), params, num_chunks=3)


def test_a_training_that_loses_its_numbers_names_its_last_good_checkpoint(tmp_path):
    keys, params = (
        jax.random.split(jax.random.key(0), 1),
        jaxrec.batched(EnvParams(), 1).replace(influence=jnp.zeros(1)),
    )
    with pytest.raises(TrainingError, match="last good checkpoint: none was kept"):
        fit(Diverges(), keys, params, num_chunks=3)
    with pytest.raises(TrainingError, match=f"last good checkpoint: {tmp_path}/2$"):
        fit(Diverges(), keys, params, num_chunks=3, checkpoints=tmp_path, checkpoint_seconds=0)


class Walks(Diverges):
    """An agent whose state is a key and a sum of draws; and what orbax does not write, nothing and an empty array."""

    slope: float = 1.0

    def init(self, key, params):
        return {"key": key, "at": params.influence, "nothing": None, "empty": jnp.zeros((0, 3))}

    def advance(self, state, params, first, last):
        key, key_draw = jax.random.split(state["key"])
        at = state["at"] + self.slope * jax.random.normal(key_draw)
        return {**state, "key": key, "at": at}, {"reward": at}


class Asleep(Walks):
    """Reads its params only once it has begun: the result of a program is free if what it reads is."""

    def init(self, key, params):
        return {**super().init(key, params), "at": jnp.zeros(())}

    def advance(self, state, params, first, last):
        state, metrics = super().advance(state, params, first, last)
        return {**state, "at": state["at"] + params.influence}, metrics


@pytest.mark.parametrize("bound", ["params", "keys", "agent", "state", "nothing"])
def test_what_is_given_on_a_device_does_not_compile_a_training_twice(bound):
    agent, keys = Asleep(slope=jnp.ones(())), jax.random.split(jax.random.key(0), 2)
    given = {"params": jaxrec.batched(EnvParams(), 2), "keys": keys, "agent": agent, "state": None, "nothing": None}
    if bound == "state":
        given["state"] = jax.vmap(agent.init)(keys, given["params"])
    given[bound] = jax.device_put(given[bound], jax.devices()[0])
    before = parallel.advance.compiled._cache_size()
    fit(given["agent"], given["keys"], given["params"], num_chunks=3, state=given["state"])
    assert parallel.advance.compiled._cache_size() <= before + 1


def test_a_training_goes_on_where_it_was_cut_off(tmp_path):
    """Bit for bit, and only its own."""
    keys, params = jax.random.split(jax.random.key(0), 2), jaxrec.batched(EnvParams(), 2)
    whole = fit(Walks(), keys, params, num_chunks=6)
    seen, told = [], []

    def cut(updates, metrics):
        seen.append(updates)
        told.append(metrics)
        if updates == 4 and seen.count(4) == 1:
            raise KeyboardInterrupt

    settings = {"num_chunks": 6, "on_metrics": cut, "checkpoints": tmp_path / "kept", "checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        fit(Walks(), keys, params, **settings)
    compiled = parallel.advance.compiled._cache_size()
    resumed = fit(Walks(), keys, params, **settings)
    assert parallel.advance.compiled._cache_size() == compiled, "a chunk compiled again"
    assert seen == [1, 2, 3, 4, 1, 2, 3, 4, 5, 6], "what was told before is told again"
    for before, after in zip(told[:3], told[4:7], strict=True):
        assert before["reward"].dtype == after["reward"].dtype
        np.testing.assert_array_equal(before["reward"], after["reward"])
    assert jnp.array_equal(whole["at"], resumed["at"])
    assert jnp.array_equal(*(jax.random.key_data(state["key"]) for state in (whole, resumed)))
    assert resumed["empty"].shape == whole["empty"].shape
    again = fit(Walks(), keys, params, **settings)
    assert jnp.array_equal(whole["at"], again["at"])
    with pytest.raises(jaxrec.InputError, match="are of another training"):
        fit(Walks(slope=2.0), keys, params, **settings)
    (tmp_path / "file").write_text("")
    with pytest.raises(jaxrec.InputError, match="cannot be made or written"):
        fit(Walks(), keys, params, checkpoints=tmp_path / "file")
