"""Checks of the environment and the policy at every entry point; one clear line for each mistake."""

import jax
import jax.numpy as jnp
from flax.errors import FlaxError
from jaxtyping import PyTree

from jaxrec import checks
from jaxrec.environment import Environment
from jaxrec.policy import Policy

HINTS = {
    str: "env, params = jaxrec.make(id) builds one",
    tuple: "jaxrec.make gives (env, params)",
    type: "call it",
}


def check_env(env: object) -> None:
    """Raises InputError unless `env` is an environment that compares and hashes by all its settings."""
    if not isinstance(env, Environment):
        hint = next((f": {hint}" for kind, hint in HINTS.items() if isinstance(env, kind)), "")
        raise checks.InputError(f"env must be an environment, got {checks.brief(env)}{hint}")
    for kind in type(env).__mro__[: type(env).__mro__.index(Environment)]:
        if _hides_settings(kind):
            raise checks.InputError(
                f"{kind.__name__} must be a dataclass(unsafe_hash=True): two with other settings pass for equal, and "
                "the second would run what was compiled for the first"
            )
    try:
        hash(env)
    except TypeError as error:
        raise checks.InputError(f"{env.name} must hash, as a dataclass(unsafe_hash=True) does: {error}") from None


def _hides_settings(kind: type) -> bool:
    """Tells whether a class has settings of its own without being a dataclass, as its base is: they do not compare."""
    own = vars(kind)
    settings = [name for name, hint in own.get("__annotations__", {}).items() if "ClassVar" not in str(hint)]
    return (
        "__dataclass_fields__" not in own
        and hasattr(kind, "__dataclass_fields__")
        and bool(settings or "__init__" in own)
    )


def check_policy(policy: object) -> None:
    """Raises InputError unless `policy` follows the protocol and is a PyTree of arrays."""
    if isinstance(policy, type):
        raise checks.InputError(f"policy must be a policy, got {checks.brief(policy)}: call it")
    if not isinstance(policy, Policy):
        raise checks.InputError(f"policy must have init(key) and act(carry, obs, key), got {checks.brief(policy)}")
    if any(leaf is policy for leaf in jax.tree.leaves(policy)):
        raise checks.InputError(
            f"policy {type(policy).__name__} must be a PyTree: derive it from flax.struct.PyTreeNode"
        )


def check_acts(policy: Policy, env: Environment, obs: PyTree) -> None:
    """Refuses a policy that does not fit an environment, from shapes alone.

    Args:
        policy: a policy that follows the protocol.
        env: the environment.
        obs: one of its observations, or the shapes of one.

    Raises:
        InputError: if the policy is for other numbers of actions or observations, does not take the observation, or
            gives another carry or an action of another shape or kind.
    """
    name = f"policy {type(policy).__name__}"
    actions = getattr(env.action_space(env.default_params), "n", None)
    for size, ours in (("num_actions", actions), ("num_observations", env.num_observations)):
        theirs = getattr(policy, size, None)
        if theirs is not None and ours is not None and theirs != ours:
            raise checks.InputError(f"{name} is for {size}={theirs}, and {env.name} has {ours}")
    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        carry = jax.eval_shape(policy.init, key)
        acted = jax.eval_shape(policy.act, carry, obs, key)
    except checks.InputError:
        raise
    except (ArithmeticError, AttributeError, FlaxError, LookupError, TypeError, ValueError) as error:
        raise checks.InputError(f"{name} does not take what {env.name} observes: {_first_line(error)}") from error
    if not (isinstance(acted, tuple) and len(acted) == 2):
        raise checks.InputError(f"{name} must return (action, carry) from act, got {checks.brief(acted)}")
    _check_carry(name, carry, acted[1])
    space, action = env.action_space(env.default_params), acted[0]
    shape, kind = getattr(space, "shape", None), getattr(space, "dtype", None)
    if shape is not None and getattr(action, "shape", None) != tuple(shape):
        stack = ": a stack of policies is one vmap" if getattr(action, "ndim", 0) > len(shape) else ""
        raise checks.InputError(
            f"{name} must give actions of shape {list(shape)} in {env.name}, got {_shape(action)}{stack}"
        )
    if kind is not None and jnp.issubdtype(kind, jnp.integer) and not jnp.issubdtype(action.dtype, jnp.integer):
        raise checks.InputError(f"{name} must give integers in {env.name}, got {action.dtype}")


def _check_carry(name: str, before: PyTree, after: PyTree) -> None:
    """Raises InputError unless `act` returns a carry of the structure, shapes and dtypes that `init` gives."""
    same = jax.tree.structure(before) == jax.tree.structure(after) and all(
        (a.shape, a.dtype) == (b.shape, b.dtype)
        for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    )
    if not same:
        raise checks.InputError(f"{name} must return a carry of the shapes that init gives, {before}, got {after}")


def _shape(value: object) -> str:
    shape = getattr(value, "shape", None)
    return checks.brief(value) if shape is None else str(list(shape))


def _first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0] or type(error).__name__


def check_clock(agent: PyTree) -> None:
    """Raises InputError if a training of `agent` takes more steps in each environment than int32 counts."""
    steps = agent.num_updates * agent.num_steps
    if steps > checks.MOST_STEPS:
        raise checks.InputError(
            f"total_timesteps must be at most {checks.MOST_STEPS:,} in each of num_envs={agent.num_envs} environments, "
            f"got {agent.total_timesteps:,}, in whole batches {steps:,} in each: give it more environments"
        )
