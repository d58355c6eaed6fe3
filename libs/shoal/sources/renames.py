"""Columns that a file lacks, and what the producer may have named them instead."""

import difflib
import json
import unicodedata
from collections.abc import Sequence

from shoal.sources.feed import Feed
from shoal.sources.nested import nested_paths, tops

_LIKENESS = 0.75  # of names without case, accents and signs: Art.-Nr is art_nr, event_time like event_timestamp


def undeclared(feed: Feed, found: Sequence[str]) -> list[str]:
    """The columns of a file that the feed does not know: they go to ``extra``."""
    known = {*(column.file_name for column in feed.columns), *tops(feed)}
    return [name for name in found if name not in known]


def advice(feed: Feed, missing: Sequence[str], found: Sequence[str], before: Sequence[str] = ()) -> list[str]:
    """What to do about columns that are missing where others look like them.

    Args:
        missing: names in the file, or paths.
        found: the file's columns, in its order.
        before: the columns of an earlier file, in its order; empty where order says nothing.
    """
    others, paths, said = undeclared(feed, found), nested_paths(feed), []
    for name in missing:
        # What reads as a path may be a plain name with a dot in it.
        names = [name, paths[name].top] if name in paths else [name]
        was, other = _lookalike(names, others) or _in_its_place(names, others, found, before) or (name, None)
        if other is not None:
            others.remove(other)
            said.append(f"is {other} now what {was} was? then {_what_to_do(feed, name, other + name[len(was) :])}")
    return said


def _lookalike(missing: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """The pair of a missing column and another whose names are most alike."""
    pairs = [
        (difflib.SequenceMatcher(None, _plain(was), _plain(other)).ratio(), was, other)
        for was in missing
        for other in others
    ]
    likeness, was, other = max(pairs, key=lambda pair: pair[0], default=(0.0, "", ""))
    return (was, other) if likeness >= _LIKENESS else None


def _in_its_place(
    missing: Sequence[str], others: Sequence[str], found: Sequence[str], before: Sequence[str]
) -> tuple[str, str] | None:
    """The column that stands where the missing one stood, if all that are left stand where they were."""
    if len(found) != len(before):
        return None
    changed = {old: new for old, new in zip(before, found, strict=True) if old != new}
    if {*changed} & {*found}:
        return None
    return next(((was, changed[was]) for was in missing if changed.get(was) in others), None)


def _plain(name: str) -> str:
    apart = unicodedata.normalize("NFKD", name.casefold())
    return "".join(sign for sign in apart if sign.isalnum())


def _what_to_do(feed: Feed, name: str, source: str) -> str:
    if feed.definition is None:
        return "name it so in the export, or declare a feed of your own"
    column = next(c.name for c in feed.columns if c.file_name == name)
    return f"add `from: {json.dumps(source, ensure_ascii=False)}` to columns.{column}"
