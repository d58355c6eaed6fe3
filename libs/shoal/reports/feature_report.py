"""Which features carry the information, and which repeat others: in words, for people."""

from collections.abc import Sequence

import numpy as np

from shoal.features.selecting import Looked
from shoal.models.selection.components import SHARES
from shoal.models.selection.examining import Found
from shoal.reports.text_tables import as_table

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
        alike = found.correlations[by][group.first]
        others = ", ".join(f"{found.columns[place].name} {alike[place]:.3f}" for place in group.others)
        rows.append([found.columns[group.first].name, others])
    number = sum(len(group.others) for group in found.groups)
    groups = f"{len(found.groups)} group{'' if len(found.groups) == 1 else 's'}"
    title = f"{_features(number, 'repeats', 'repeat')} another, in {groups} (|{by}| >= {threshold:g})"
    return as_table(["keep", "repeated by"], rows, title=_shortened(title, len(found.groups), top))


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


def _features(number: int, one: str, many: str) -> str:
    return f"1 feature that {one}" if number == 1 else f"{number} features that {many}"


def _shortened(title: str, number: int, top: int) -> str:
    return title if number <= top else f"{title}; the first {top}"
