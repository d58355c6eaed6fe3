"""Which features carry the information, and which repeat others: in words for people, as JSON for machines."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.features.selecting import Looked
from shoal.models.selection.components import SHARES
from shoal.models.selection.examining import Found, Group
from shoal.reports.text_tables import as_table

_DIGITS = 6  # of figures in JSON
_QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
_COMPONENTS = 5  # that are told in words
_WEIGHTS = 6  # features that a component is told by


def as_text(looked: Looked, top: int) -> str:
    """For people.

    Args:
        top: how many lines a table has at most.
    """
    found, request = looked.found, looked.request
    parts = [
        _what_was_looked_at(looked),
        _quiet(found),
        _groups(found, request.by, request.threshold, top),
        *(_ranking(found, name, top) for name in found.labels),
        _components(found),
        _left(found, top),
    ]
    return "\n\n".join(part for part in parts if part)


def as_json(looked: Looked) -> dict[str, Any]:
    """For machines: every feature, every group, every component that is needed for 99 % of the variance."""
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


def _what_was_looked_at(looked: Looked) -> str:
    found = looked.found
    drawn = "" if looked.share >= 1 else f", about {looked.share:.1%} of all, drawn by a hash of user_id"
    before = looked.as_of != looked.run_day
    day = f"{looked.as_of}, {(looked.run_day - looked.as_of).days} days before it" if before else str(looked.as_of)
    lines = [f"{len(found.columns)} features of {found.users:,} users{drawn}; run {looked.run_id}, as of {day}"]
    lines += [
        f"Label {name}: {label.users:,} users, entropy {label.entropy:.4f} bits"
        + ("; all have the same, so nothing can be told of it" if label.entropy == 0 else "")
        for name, label in found.labels.items()
    ]
    return "\n".join(lines)


def _quiet(found: Found) -> str:
    """What says nothing, by why."""
    by_reason: dict[str, list[str]] = {}
    for column, values in zip(found.columns, found.values, strict=True):
        if values.quiet:
            by_reason.setdefault(values.quiet, []).append(column.name)
    if not by_reason:
        return ""
    number = sum(map(len, by_reason.values()))
    always = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [[reason, len(names), ", ".join(names)] for reason, names in always]
    return as_table(["why", "number", "features"], rows, title=f"{_features(number, 'says', 'say')} nothing")


def _groups(found: Found, by: str, threshold: float, top: int) -> str:
    if not found.groups:
        return f"No feature repeats another (|{by}| >= {threshold:g})"
    rows = []
    for group in sorted(found.groups, key=lambda group: (-len(group.others), group.first))[:top]:
        pairs = [_pair(found, group, place) for place in group.others]
        rows.append([found.columns[group.first].name,
                     ", ".join(f"{each['feature']} {each[by]:.3f}" for each in pairs)])  # fmt: skip
    number = sum(len(group.others) for group in found.groups)
    groups = f"{len(found.groups)} group{'' if len(found.groups) == 1 else 's'}"
    title = f"{_features(number, 'repeats', 'repeat')} another, in {groups} (|{by}| >= {threshold:g})"
    return as_table(["keep", "repeated by"], rows, title=_shortened(title, len(found.groups), top))


def _pair(found: Found, group: Group, place: int) -> dict[str, Any]:
    correlations = {kind: _rounded(matrix[group.first, place]) for kind, matrix in found.correlations.items()}
    return {"feature": found.columns[place].name, **correlations}


def _ranking(found: Found, name: str, top: int) -> str:
    """Who tells most of one label."""
    label = found.labels[name]
    if label.entropy == 0:
        return ""
    order = sorted(range(len(found.columns)), key=lambda place: (-round(label.features[place].share, 9), place))
    told = [place for place in order if label.features[place].above_chance]
    rows = [
        [
            rank,
            found.columns[place].name,
            f"{label.features[place].bits:.4f}",
            f"{label.features[place].share:.1%}",
            f"{found.values[place].nulls / found.users:.0%}",
            found.columns[found.repeated[place]].name if place in found.repeated else "",
        ]
        for rank, place in enumerate(told[:top], start=1)
    ]
    title = _shortened(f"{_features(len(told), 'tells', 'tell')} of {name} more than chance does", len(told), top)
    return as_table(["rank", "feature", "bits", "of its entropy", "nulls", "repeats"], rows, title=title)


def _components(found: Found) -> str:
    """How many directions hold how much, and what the first are."""
    parts, number = found.components, len(found.in_components)
    if not number:
        return ""
    needed = ", ".join(f"{parts.needed(share)} hold {share:.0%}" for share in SHARES)
    rows = [
        [place + 1, f"{explained:.1%}", _in_words(found, parts.loadings[place])]
        for place, explained in enumerate(parts.explained[:_COMPONENTS])
    ]
    title = f"Principal components of {number} features that differ: {needed} of the variance"
    return as_table(["component", "of variance", "users with more of it have"], rows, title=title)


def _in_words(found: Found, loadings: Sequence[float]) -> str:
    """By the features that weigh most; of those that repeat each other only the one that stands for all."""
    sizes = np.round(np.abs(loadings), 9)
    names = [found.columns[place].name for place in found.in_components]
    alone = [p for p, place in enumerate(found.in_components) if place not in found.repeated]
    heaviest = sorted(alone, key=lambda place: (-sizes[place], place))[:_WEIGHTS]
    said = []
    for word, is_more in (("more", True), ("less", False)):
        of_sign = [f"{names[p]} {loadings[p]:+.2f}" for p in heaviest if (loadings[p] > 0) == is_more]
        said += [f"{word} {', '.join(of_sign)}"] if of_sign else []
    return "; ".join(said)


def _left(found: Found, top: int) -> str:
    """What is left to take."""
    names = [found.columns[place].name for place in found.kept]
    if not names:
        return ""
    more = f" and {len(names) - top} more" if len(names) > top else ""
    one = len(names) == 1
    what = f"{'says' if one else 'say'} something{' of a label' if found.labels else ''}"
    number = f"{len(names)} feature{'' if one else 's'} of {len(found.columns)} {'is' if one else 'are'} left"
    return f"{number} that {what} and {'repeats' if one else 'repeat'} no other:\n{', '.join(names[:top])}{more}"


def _feature(found: Found, place: int) -> dict[str, Any]:
    values, column = found.values[place], found.columns[place]
    quantiles = None if column.is_text else values.quantiles(_QUANTILES)
    return {
        "nulls": values.nulls,
        "different_values": len(values.values),
        "mean": None if column.is_text else _rounded(values.mean),
        "variance": None if column.is_text else _rounded(values.variance),
        "quantiles": None if quantiles is None else dict(zip(map(str, _QUANTILES), quantiles, strict=True)),
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


def _features(number: int, one: str, many: str) -> str:
    return f"1 feature that {one}" if number == 1 else f"{number} features that {many}"


def _shortened(title: str, number: int, top: int) -> str:
    return title if number <= top else f"{title}; the first {top}"


def _rounded(value: float | None) -> float | None:
    if value is None or not np.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")
