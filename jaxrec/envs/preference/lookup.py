"""All that a step of PreferenceShift looks up, tabulated once for all users and steps."""

from typing import Self, no_type_check

from flax import struct
from jax import Array
from jaxtyping import Float

from jaxrec.envs.preference import inference
from jaxrec.envs.preference.dynamics import BINS, Cumulated, Tables


@no_type_check  # of fields at run time: transformations build trees of shapes, axes and shardings
class Lookup(struct.PyTreeNode):
    """What follows from the run-time values alone.

    Rows for two indices are looked up by one, the first times 36 plus the second: on a GPU two take a further kernel.

    Attributes:
        slates: float[slates, 36], the probability of each item.
        tables: of the slates.
        choice, shift: `tables.choice` and `tables.shift` to draw from; a row for each slate and u.
        natural: `tables.natural` to draw from.
        likelihood: float[slates * 36, 36], P(x | s, u) for all u; a row for each slate and x.
        powers: float[n, 36, 36], `inference.powers` of `tables.natural`, up to the length of an episode.
        natural_judges: float[horizon, 36, 3], `inference.judges_after` of `tables.natural`, for each time.
    """

    slates: Float[Array, "slates 36"]
    tables: Tables
    choice: Cumulated
    shift: Cumulated
    natural: Cumulated
    likelihood: Float[Array, "rows 36"]
    powers: Float[Array, "powers 36 36"]
    natural_judges: Float[Array, "horizon 36 3"]

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
        choice, shift = (Cumulated.of(table.reshape(-1, BINS)) for table in (tables.choice, tables.shift))
        natural, powers = Cumulated.of(tables.natural), inference.powers(tables.natural, horizon)
        likelihood = tables.choice.swapaxes(1, 2).reshape(-1, BINS)
        judges = inference.judges_after(tables.natural, horizon)
        return cls(slates, tables, choice, shift, natural, likelihood, powers, judges)
