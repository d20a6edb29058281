"""A step of `RewiringGame` by one kernel of Pallas: a warp answers the request of one society and plays on.

XLA launches eleven kernels for that, or some for each time-step if a wait may be long. No GPU has timed this one yet;
on a CPU it is interpreted, which is slow and for tests.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int, PyTree, UInt32

from jaxrec import checks
from jaxrec.envs.rewiring.graph import draws
from jaxrec.envs.rewiring.heuristics import heuristic
from jaxrec.envs.rewiring.meetings import GameValues, Meeting, actor
from jaxrec.envs.rewiring.metrics import Outcome
from jaxrec.envs.rewiring.requests import RewiringState
from jaxrec.envs.rewiring.rules import Rules
from jaxrec.envs.rewiring.warp import sets
from jaxrec.envs.rewiring.warp.game import VALUES, Game, Values, candidates
from jaxrec.envs.rewiring.warp.launch import in_place
from jaxrec.runtime.sharding import env_devices


def turn(
    state: RewiringState, action: Int[Array, ""], words: UInt32[Array, "steps words"], rules: Rules, params: GameValues
) -> RewiringState:
    """Answers a request, counts the step, and plays on: `requests.answer`, then `requests.wait`.

    Decisions are theirs but for those that hang on the last digit of a float.

    Args:
        state: of one society, of a game of two, without members; under `vmap` of many.
        action: the user recommended; out of range or not eligible, the tie stays.
        words: random bits of each time-step.
        rules: which game.
        params: `RewiringParams`.

    Returns:
        The state at the next request, at its end, or after as many time-steps as there are words.

    Raises:
        InputError: where several devices share the environments, for XLA would give each of them all societies; and of
            `launch.in_place`.
    """
    if env_devices() > 1:
        raise checks.InputError(f"engine 'pallas' plays on one device, got {env_devices()} that share the environments")
    society, size = state.society, state.society.cooperators.shape[0]
    others, structure = jax.tree.flatten(state.replace(society=society.cooperators))
    ties = [sets.padded(society.adjacency)] + ([society.edges] if society.edges.size else [])
    changed = [*ties, *(sets.padded(leaf) if leaf.ndim else leaf for leaf in others)]
    values = [jnp.asarray(getattr(params, name), jnp.float32) for name in VALUES]
    read = [*values, jnp.asarray(params.time_limit, jnp.int32), action, words]
    kernel = partial(_kernel, rules, society.num_users, structure, len(read), len(ties))
    after = in_place(kernel, read, changed)
    adjacency, edges = [*after[: len(ties)], society.edges][:2]
    others = [leaf[:size] if leaf.ndim else leaf for leaf in after[len(ties) :]]
    state = jax.tree.unflatten(structure, others)
    return state.replace(society=society.replace(adjacency=adjacency[:, :size], edges=edges, cooperators=state.society))


def _kernel(rules: Rules, users: int, structure: PyTree, read: int, ties: int, interpreted: bool, *refs: Any) -> None:
    """Plays the society of one program of the grid; of the state it has the cooperators in place of the society."""
    *values, time_limit, action, words = refs[:read]
    memory = refs[read + (len(refs) - read) // 2 :]
    state = jax.tree.unflatten(structure, [one[...] for one in memory[ties:]])
    params = Values(*(value[...] for value in values), time_limit=time_limit[...])
    game = Game(rules, users, params, memory[0], memory[1] if ties > 1 else None, interpreted)
    cooperators, outcome = _answered(game, state.meeting, state.society, action[...])
    acts = state.meeting.acts
    met = state.meeting.replace(acts=acts & ~acts)
    cooperators, met, waited, unheard = _waited(game, (cooperators, met), state.clock, words)
    outcome = outcome.replace(time_steps=waited, requests=outcome.requests + unheard)
    after = state.replace(
        time=state.time + 1,
        clock=state.clock + waited,
        society=cooperators,
        meeting=met,
        requests=state.requests + outcome.requests,
        rewires=state.rewires + outcome.rewires,
        ineligible=state.ineligible + outcome.ineligible,
        outcome=outcome,
    )
    for one, leaf in zip(memory[ties:], jax.tree.leaves(after), strict=True):
        one[...] = leaf


def _answered(game: Game, met: Meeting, cooperators: Array, action: Array) -> tuple[Array, Outcome]:
    """`requests.answer`: the cooperators, and what came of the recommendation, before any time-step."""
    user, named = actor(met), jnp.clip(action, 0, game.users - 1)
    recommended = game.user_at(named, cooperators)
    follows = draws.uniform(met.coin) < game.params.influence
    valid = (action == named) & (action != user.index) & ~sets.has(user.ties, named)
    pool = candidates(game, heuristic("local"), met, cooperators)
    size = sets.count(pool)
    local = sets.select(pool, draws.choose(met.choice, size)[0])
    new = jnp.where(follows, jnp.where(valid, action, 0), local)
    moved = game.rewire(met, new, jnp.where(follows, valid, size > 0))
    if game.rules.single_clock:
        cooperators = jnp.where(met.acts, game.imitated_after(met, new, moved, cooperators), cooperators)
    asked, moved, ineligible = (one.astype(jnp.int32) for one in (met.acts, moved, met.acts & follows & ~valid))
    of = {"asked": met.acts, "cooperates": recommended.cooperates, "degree": recommended.degree}
    return cooperators, Outcome(jnp.zeros((), jnp.int32), asked, moved, ineligible, **of)


def _waited(
    game: Game, playing: tuple[Array, Meeting], clock: Array, words: Any
) -> tuple[Array, Meeting, Int[Array, ""], Int[Array, ""]]:
    """`requests.wait`: the cooperators, the last meeting, time-steps, and requests on which nobody acted."""

    def goes_on(carry: tuple[Array, Meeting, Array, Array]) -> Bool[Array, ""]:
        cooperators, met, waited, _ = carry
        cooperating = sets.count(cooperators)
        over = (cooperating == 0) | (cooperating == game.users) | (clock + waited >= game.params.time_limit)
        return ~met.acts & ~over & (waited < words.shape[0])

    def step(carry: tuple[Array, Meeting, Array, Array]) -> tuple[Array, Meeting, Array, Array]:
        cooperators, _, waited, unheard = carry
        met = game.meet((words[waited, 0], words[waited, 1], words[waited, 2]), cooperators)
        unheard = unheard + (met.request & ~met.acts).astype(jnp.int32)
        return _imitated(game, met, cooperators), met, waited + 1, unheard

    zero = jnp.zeros((), jnp.int32)
    return jax.lax.while_loop(goes_on, step, (*playing, zero, zero))


def _imitated(game: Game, met: Meeting, cooperators: Array) -> Array:
    """The cooperators after a meeting; under the rules of `learning` x waits for a recommendation, if there is one."""
    if not game.rules.single_clock:
        return game.imitated(met, cooperators)
    after = game.imitated_after(met, met.x.index, met.x.index < 0, cooperators)
    return jnp.where(met.acts, cooperators, after)
