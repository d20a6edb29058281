"""How runs and environments lie on a mesh of devices: named shardings, and the constraint that divides environments."""

from collections.abc import Callable

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from jaxrec import checks

RUNS, ENVS = "runs", "envs"

Leaf = jax.Array | jax.ShapeDtypeStruct


def shardings(state: PyTree, mesh: Mesh) -> PyTree:
    """Says how `state` lies on the devices of `mesh`.

    Every leaf is divided by runs, its leading axis; the fields in `PER_ENV` of the class of `state` by environments,
    their second axis, too.

    Raises:
        InputError: if the devices do not divide the environments.
    """

    def by(*axes: str) -> Callable[[Leaf], NamedSharding]:
        # XLA gives empty arrays back undivided.
        return lambda leaf: NamedSharding(mesh, PartitionSpec(*axes) if leaf.size else PartitionSpec())

    def by_env(leaf: Leaf) -> NamedSharding:
        if leaf.shape[1] % mesh.shape[ENVS]:
            raise checks.InputError(
                f"num_envs must be a multiple of envs={mesh.shape[ENVS]} devices, got {leaf.shape[1]}"
            )
        return by(RUNS, ENVS)(leaf)

    by_run = jax.tree.map(by(RUNS), state)
    names = getattr(type(state), "PER_ENV", ()) if mesh.shape[ENVS] > 1 else ()
    return by_run.replace(**{name: jax.tree.map(by_env, getattr(state, name)) for name in names}) if names else by_run


def shard_envs(tree: PyTree, axis: int = 0) -> PyTree:
    """Divides this axis of the leaves of `tree` among the devices of the mesh axis `envs`; in traced code.

    Without such a mesh around it (`jax.set_mesh`), or with one device, `tree` stays where it is.
    """
    if env_devices() == 1:
        return tree
    spec = PartitionSpec(*[PartitionSpec.UNCONSTRAINED] * axis, ENVS)
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, spec), tree)


def env_devices() -> int:
    """Gives the number of devices on the axis `envs` of the mesh around traced code; 1 without one."""
    around = jax.sharding.get_abstract_mesh()
    return 1 if around.empty else around.shape.get(ENVS, 1)
