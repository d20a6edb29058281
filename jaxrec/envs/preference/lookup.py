"""All that a step of PreferenceShift looks up, tabulated once for all users and steps."""

from typing import Self, no_type_check

from flax import struct
from jax import Array
from jaxtyping import Float

from jaxrec.envs.preference import inference
from jaxrec.envs.preference.dynamics import Cumulated, Tables


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Lookup(struct.PyTreeNode):
    """What follows from the run-time values alone.

    Attributes:
        slates: float[slates, 36], the probability of each item.
        tables: of the slates.
        choice, shift, natural: the tables of these names, to draw from.
        powers: float[n, 36, 36], `inference.powers` of `tables.natural`, up to the length of an episode.
    """

    slates: Float[Array, "slates 36"]
    tables: Tables
    choice: Cumulated
    shift: Cumulated
    natural: Cumulated
    powers: Float[Array, "powers 36 36"]

    @classmethod
    def of(cls, slates: Float[Array, "slates 36"], tables: Tables, horizon: int) -> Self:
        """Tabulates.

        Args:
            slates: a distribution over items in each row.
            tables: of them.
            horizon: slates in an episode.

        Returns:
            All that follows.
        """
        drawn = map(Cumulated.of, (tables.choice, tables.shift, tables.natural))
        return cls(slates, tables, *drawn, inference.powers(tables.natural, horizon))
