"""features.users -> a segment model whose ids continue the last released one's."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType

from shoal.errors import ConfigError, bulleted
from shoal.frames import persisted
from shoal.models.segments.clustering import canonical, find_centres
from shoal.models.segments.figures import FIGURES, Group, figures_by
from shoal.models.segments.model import Centre, SegmentModel, place
from shoal.models.segments.naming import leans, marks, names, rank_key, same_segments, shown
from shoal.models.segments.scaling import Scale, coordinates, fit_scales
from shoal.params import SegmentParams


def fit(
    features: DataFrame,
    params: SegmentParams,
    previous: SegmentModel | None,
    *,
    last_id: int = 0,
    own: Mapping[str, str] | None = None,
) -> SegmentModel | None:
    """Learn groups of buyers; users who never bought do not shape them.

    The result depends on the set of rows only, not on their order or partitions.

    Args:
        features: rows of ``features.users`` of one run, with the shop's own as columns where they are inputs.
        params: the segmentation's settings.
        previous: the last released model, whose ids are continued; None starts anew, with ids in the ranks' order.
        last_id: the highest id that any run has given, released or not: ids above it are new.
        own: by name what those of the inputs mean that are the shop's own; the model remembers it.

    Returns:
        The model, or None where nobody has bought yet.

    Raises:
        ConfigError: an input is not a numeric column of ``features.users``; all are listed.
    """
    wanted = _checked(params.inputs, features)
    columns = [*dict.fromkeys([*wanted, *FIGURES.values()])]
    buyers = features.where("is_buyer").select("user_id", *dict.fromkeys([*columns, "spend"]))
    count = buyers.count()
    if count == 0:
        return None
    with persisted(canonical(buyers, count)) as rows:
        scales = fit_scales(rows, columns, count)
        inputs = [scales[name] for name in wanted if name in scales]
        with persisted(rows.select(coordinates(inputs))) as points:
            centres, k_wanted = find_centres(points, params, count, len(inputs))
        spoken = {figure: scales[column] for figure, column in FIGURES.items() if column in scales}
        found = figures_by(place(rows, inputs, centres), F.col("nearest.place"), spoken)
    dropped = tuple(name for name in wanted if name not in scales)
    meant = {scale.column: own[scale.column] for scale in inputs if own and scale.column in own}
    return _model(inputs, centres, found, previous, last_id=last_id, k_wanted=k_wanted, dropped=dropped, own=meant)


def _checked(inputs: Sequence[str], features: DataFrame) -> list[str]:
    numeric = {field.name for field in features.schema if isinstance(field.dataType, NumericType)}
    wrong = [name for name in inputs if name not in numeric]
    if wrong:
        raise ConfigError(bulleted("segments.inputs: not a numeric column of features.users:", wrong))
    return [*dict.fromkeys(inputs)]


def _model(
    inputs: Sequence[Scale],
    centres: Sequence[Centre],
    found: Mapping[int | None, Group],
    previous: SegmentModel | None,
    *,
    last_id: int,
    k_wanted: int,
    dropped: tuple[str, ...],
    own: Mapping[str, str],
) -> SegmentModel:
    """Rank, number and name the centres that have users."""
    everyone = found[None].figures
    places = sorted((place for place in found if place is not None), key=lambda p: (rank_key(found[p].figures), p))
    ordered = [centres[place] for place in places]
    continued = _continued(inputs, ordered, previous, own)
    last_id = max(last_id, previous.last_id if previous else 0)
    fresh = iter(range(last_id + 1, last_id + 1 + len(ordered)))
    ids = [previous.segment_ids[old] if previous and old is not None else next(fresh) for old in continued]
    kept = [previous.names[old] if previous and old is not None else None for old in continued]
    groups = [found[place] for place in places]
    given = names([leans(g.figures, everyone, g.scaled) for g in groups], kept, [shown(g.figures) for g in groups])
    return SegmentModel(
        inputs=tuple(scale.column for scale in inputs),
        lows=tuple(scale.low for scale in inputs),
        highs=tuple(scale.high for scale in inputs),
        fills=tuple(scale.fill for scale in inputs),
        transforms=("signed_log1p",) * len(inputs),
        means=tuple(scale.mean for scale in inputs),
        stds=tuple(scale.std for scale in inputs),
        centres=tuple(ordered),
        segment_ids=tuple(ids),
        ranks=tuple(range(1, len(ids) + 1)),
        names=tuple(given),
        marks=tuple(marks(g.figures, everyone, name) for g, name in zip(groups, given, strict=True)),
        k=len(ids),
        k_wanted=k_wanted,
        last_id=max([last_id, *ids]),
        dropped=dropped,
        own=own,
    )


def _continued(
    inputs: Sequence[Scale], centres: Sequence[Centre], previous: SegmentModel | None, own: Mapping[str, str]
) -> list[int | None]:
    """Which of the previous segments each centre continues, compared in the previous model's scaled space.

    Where inputs came or went, or mean something else now, the common ones decide, if they are at least half of each
    model's; else every segment is new.
    """
    if previous is None:
        return [None] * len(centres)
    axes = [
        axis for axis, scale in enumerate(inputs)
        if scale.column in previous.inputs and previous.means_the_same(scale.column, own)
    ]  # fmt: skip
    if 2 * len(axes) < max(len(inputs), len(previous.inputs)):
        return [None] * len(centres)
    theirs = [previous.inputs.index(inputs[axis].column) for axis in axes]

    def old(values: Sequence[float]) -> NDArray[np.float64]:
        return np.array([values[axis] for axis in theirs], dtype=np.float64)

    means, stds = np.array([(inputs[axis].mean, inputs[axis].std) for axis in axes]).reshape(-1, 2).T
    logged = np.array(centres, dtype=np.float64)[:, axes] * stds + means
    seen = np.clip(logged, _signed_log1p(old(previous.lows)), _signed_log1p(old(previous.highs)))
    scaled = (seen - old(previous.means)) / old(previous.stds)
    return same_segments(scaled, np.array(previous.centres, dtype=np.float64)[:, theirs])


def _signed_log1p(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(values) * np.log1p(np.abs(values))
