"""What a fitted segmentation is, and where it places a buyer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.models.segments.scaling import Scale, coordinates
from shoal.params import SegmentParams

Centre = tuple[float, ...]


@dataclass(frozen=True)
class SegmentModel:
    """A fitted segmentation, as plain data: ``SegmentModel(**json)`` builds it again.

    The first group of fields has one value per input, the second one per segment, in order of rank.
    """

    inputs: tuple[str, ...]  # columns of features.users
    lows: tuple[float, ...]  # clip bounds, in the column's own unit
    highs: tuple[float, ...]
    fills: tuple[float, ...]  # what stands for null
    transforms: tuple[str, ...]  # always signed_log1p
    means: tuple[float, ...]  # after the transform
    stds: tuple[float, ...]

    centres: tuple[Centre, ...]  # in the scaled space, one coordinate per input
    segment_ids: tuple[int, ...]  # permanent
    ranks: tuple[int, ...]  # 1 has the highest mean net spend; without prices, the most orders
    names: tuple[str, ...]
    marks: tuple[str, ...]  # what sets the segment apart, in words

    k: int  # segments found
    k_wanted: int  # segments asked for; above ``k`` where too few buyers bought, or too few that differ
    last_id: int  # the highest id ever given, so that none is given twice
    dropped: tuple[str, ...] = ()  # inputs that were asked for, but have no value or only one
    own: Mapping[str, str] = field(default_factory=dict)  # what those of the inputs mean that are the shop's own

    def __post_init__(self) -> None:
        """Take JSON's lists for tuples."""
        for name, value in vars(self).items():
            if isinstance(value, list):
                plain = tuple(tuple(v) if isinstance(v, list) else v for v in value)
                object.__setattr__(self, name, plain)

    def is_of(self, params: SegmentParams, own: Mapping[str, str]) -> bool:
        """True where it looks at nothing that these settings do not name, or mean otherwise.

        Args:
            params: the segmentation's settings.
            own: by name what the shop's own features mean now.
        """
        return {*self.inputs} <= {*params.inputs} and all(self.means_the_same(name, own) for name in self.inputs)

    def means_the_same(self, name: str, own: Mapping[str, str]) -> bool:
        """True where an input means what it meant when this was fitted."""
        return self.own.get(name) == own.get(name)

    @property
    def scales(self) -> list[Scale]:
        """How each input becomes a coordinate."""
        columns = (self.inputs, self.lows, self.highs, self.fills, self.means, self.stds)
        return [Scale(*values) for values in zip(*columns, strict=True)]


def place(rows: DataFrame, scales: Sequence[Scale], centres: Sequence[Centre]) -> DataFrame:
    """The rows with ``scaled``, their coordinates, and ``nearest``, a centre's squared distance and place."""
    return rows.select("*", coordinates(scales)).select("*", nearest_centre(centres).alias("nearest"))


def nearest_centre(centres: Sequence[Centre]) -> Column:
    """The least (squared distance, place): of two centres equally near, the first."""

    def squared(centre: Centre) -> Column:
        parts = ((F.get("scaled", F.lit(axis)) - at) ** 2 for axis, at in enumerate(centre))
        return reduce(add, parts, F.lit(0.0))

    return F.array_min(
        F.array(
            *(
                F.struct(squared(centre).alias("squared"), F.lit(place).alias("place"))
                for place, centre in enumerate(centres)
            )
        )
    )
