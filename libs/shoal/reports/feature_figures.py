"""Which features carry the information, and which repeat others: all figures, for machines."""

import json
from typing import Any

import numpy as np

from shoal.features.selecting import Looked
from shoal.models.selection.components import SHARES
from shoal.models.selection.examining import Found, Group

_DIGITS = 6  # significant ones
_QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
_COMPONENTS = 5  # whose loadings are told


def as_json(looked: Looked) -> dict[str, Any]:
    """Every feature, every group, and every component that is needed for 99 % of the variance.

    Figures have six significant digits; what is not known is null.
    """
    found, request = looked.found, looked.request
    names = [column.name for column in found.columns]
    parts = found.components
    return {
        "run_id": looked.run_id,
        "as_of": str(looked.as_of),
        "users": found.users,
        "share_of_users": _rounded(looked.share),
        "seed": request.seed,
        "labels": {
            name: {"users": label.users, "entropy_bits": _rounded(label.entropy)}
            for name, label in found.labels.items()
        },
        "keep": [names[place] for place in found.kept],
        "features": {name: _feature(found, place) for place, name in enumerate(names)},
        "groups": {
            "by": request.by,
            "threshold": request.threshold,
            "groups": [
                {"keep": names[group.first], "repeated_by": [_pair(found, group, place) for place in group.others]}
                for group in found.groups
            ],
        },
        "components": {
            "features": len(found.in_components),
            "needed": {f"{share:g}": parts.needed(share) for share in SHARES},
            "explained": [_rounded(value) for value in parts.explained[: parts.needed(SHARES[-1])]],
            "loadings": [
                {names[place]: _rounded(weight) for place, weight in zip(found.in_components, each, strict=True)}
                for each in parts.loadings[:_COMPONENTS]
            ],
        },
    }


def as_json_text(looked: Looked) -> str:
    """:func:`as_json` as text."""
    return json.dumps(as_json(looked), indent=2, ensure_ascii=False)


def _pair(found: Found, group: Group, place: int) -> dict[str, Any]:
    correlations = {kind: _rounded(matrix[group.first, place]) for kind, matrix in found.correlations.items()}
    return {"feature": found.columns[place].name, **correlations}


def _feature(found: Found, place: int) -> dict[str, Any]:
    values, column = found.values[place], found.columns[place]
    quantiles = None if column.is_text else values.quantiles(_QUANTILES)
    return {
        "nulls": values.nulls,
        "different_values": len(values.values),
        "mean": None if column.is_text else _rounded(values.mean),
        "variance": None if column.is_text else _rounded(values.variance),
        "quantiles": None
        if quantiles is None
        else {f"{share:g}": _rounded(value) for share, value in zip(_QUANTILES, quantiles, strict=True)},
        "says_nothing": values.quiet or None,
        "repeats": found.columns[found.repeated[place]].name if place in found.repeated else None,
        "labels": {
            name: {
                "bits": _rounded(label.features[place].bits),
                "share_of_entropy": _rounded(label.features[place].share),
                "above_chance": label.features[place].above_chance,
            }
            for name, label in found.labels.items()
        },
    }


def _rounded(value: float | None) -> float | None:
    if value is None or not np.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")
