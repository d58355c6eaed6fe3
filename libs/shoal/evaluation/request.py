"""What is asked of an evaluation, as the command line says it; nothing here needs Spark."""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from shoal.errors import ConfigError, bulleted, did_you_mean

ROLES = ("user", "item", "event", "rating", "time")
ITEM_ROLES = ("item", "title", "category", "brand", "price")
SPLITS = "within-item:SHARE, within-user:SHARE, time:SHARE, time:DAY, time:DAY..DAY, leave-last-out or leave-one-out"
_REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://|^dbfs:/")

Kind = Literal["within-item", "within-user", "time", "leave-last-out", "leave-one-out"]
RatingUse = Literal["as_given", "log", "ignored"]


@dataclass(frozen=True)
class Split:
    """How rows are parted into those that models learn from and those that are held out."""

    kind: Kind
    share: float | None = None  # of the rows (of each item or user) that models learn from
    first_day: date | None = None  # of a time split: the first day that is held out
    end_day: date | None = None  # and the first one after it that is not used any more; None: to the end
    keeps_later: bool = False  # of leave-last-out: what users did later is learned from, as some test files have it

    @property
    def needs_time(self) -> bool:
        """Whether rows without a time cannot be split so."""
        return self.kind in {"time", "leave-last-out"}

    def __str__(self) -> str:
        """The form in which it was written."""
        if self.keeps_later:
            return f"{self.kind}, with what users did later"
        if self.first_day is None:
            return self.kind if self.share is None else f"{self.kind}:{self.share:g}"
        return f"{self.kind}:{self.first_day}{'' if self.end_day is None else f'..{self.end_day}'}"


@dataclass(frozen=True)
class Request:
    """One evaluation."""

    interactions: str  # path of the table
    columns: Mapping[str, str]  # role -> name of a column, or its place from 1 in text without a header
    models: tuple[str, ...]
    k: tuple[int, ...]  # lengths of lists, ascending
    seed: int
    split: Split | None = None  # exactly one of this
    test: str | None = None  # and this
    where: str | None = None  # SQL over the table's own columns: rows that count
    negatives: str | None = None  # path of user-item rows: each user's sampled candidates
    relevant: tuple[str, ...] | None = None  # event types that count as wanted when held out
    weights: Mapping[str, float] | None = None  # of event types
    rating: RatingUse | None = None  # what a rating makes of a row's strength
    half_life_days: float | None = None
    keeps_seen: bool = False  # pairs known from train may be named, and count
    items: str | None = None  # path of a table of what is said of items
    item_columns: Mapping[str, str] = field(default_factory=dict)  # as columns
    tune: int = 0  # configurations tried per model
    resamples: int = 1000  # of the bootstrap

    @property
    def by_position(self) -> bool:
        """Whether columns are named by their places, as in text without a header."""
        return all(name.isdecimal() for name in self.columns.values())


def parsed_columns(
    text: str, option: str = "--columns", roles: Sequence[str] = ROLES, needed: Sequence[str] = ("user", "item")
) -> tuple[dict[str, str], list[str]]:
    """``user=..,item=..`` as a mapping, and what is wrong with it."""
    columns, problems = dict[str, str](), list[str]()
    for part in _parts(text):
        role, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not name:
            problems.append(f"{option} {part}: must be written ROLE=COLUMN, such as {needed[0]}=visitorid")
        elif role not in roles:
            problems.append(f"{option} {part}: unknown role {role!r}{did_you_mean(role, roles)}")
        elif role in columns:
            problems.append(f"{option} {part}: {role} is given twice")
        else:
            columns[role] = name
    problems += [f"{option}: {role}= is missing; name its column" for role in needed if role not in columns]
    places = [name for name in columns.values() if name.isdecimal()]
    if places and len(places) < len(columns):
        problems.append(f"{option}: some are numbers and some are names; numbers are places in text without a header")
    problems += [f"{option}: {place} is no place; the first column is 1" for place in places if int(place) < 1]
    twice = sorted({name for name in columns.values() if [*columns.values()].count(name) > 1})
    problems += [f"{option}: {name} is given for two roles" for name in twice]
    return columns, problems


def parsed_split(text: str) -> Split:
    """A split as it is written.

    Raises:
        ValueError: says what is wrong with it.
    """
    kind, colon, rest = text.strip().partition(":")
    match kind:
        case "leave-last-out" | "leave-one-out":
            if colon:
                raise ValueError(f"{kind} takes no value, got {rest!r}")
            return Split(kind)
        case "within-item" | "within-user":
            return Split(kind, share=_share(kind, rest))
        case "time":
            if re.match(r"\d{4}-", rest):
                return _days(rest)
            return Split(kind, share=_share(kind, rest))
    raise ValueError(f"unknown split {text!r}; there are {SPLITS}")


def _share(kind: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise ValueError(f"{kind} needs the share of rows to learn from, above 0 and below 1, such as {kind}:0.8")
    return share


def _days(text: str) -> Split:
    first, dots, end = text.partition("..")
    try:
        begins, ends = date.fromisoformat(first), date.fromisoformat(end) if dots else None
    except ValueError as error:
        raise ValueError(f"{text!r} holds no day such as 2011-09-10") from error
    if ends is not None and ends <= begins:
        raise ValueError(f"{text!r} ends before it begins")
    return Split("time", first_day=begins, end_day=ends)


def parsed_weights(text: str) -> tuple[dict[str, float], list[str]]:
    """``view=1,buy=5`` as a mapping, and what is wrong with it."""
    weights, problems = dict[str, float](), list[str]()
    for part in _parts(text):
        event, equals, written = part.rpartition("=")
        try:
            weight = float(written)
        except ValueError:
            weight = math.nan
        if not equals or not event.strip() or not (0 <= weight < math.inf):
            problems.append(f"--weights {part}: must be written EVENT=NUMBER, the number 0 or above")
        elif event.strip() in weights:
            problems.append(f"--weights {part}: {event.strip()} is given twice")
        else:
            weights[event.strip()] = weight
    if not problems and not any(weights.values()):
        problems.append("--weights: at least one must be above 0")
    return weights, problems


def parsed_lengths(text: str) -> tuple[int, ...]:
    """``10`` or ``10,20`` as lengths of lists, ascending.

    Raises:
        ValueError: says what is wrong with it.
    """
    lengths = [int(part) if re.fullmatch(r"\d{1,5}", part) else 0 for part in _parts(text)]
    if not lengths or not all(1 <= length <= 1000 for length in lengths):
        raise ValueError(f"must be a whole number within 1..1000, or some of them such as 10,20, got {text!r}")
    return tuple(sorted({*lengths}))


def asked(
    *,
    interactions: str,
    test: str | None,
    split: str | None,
    columns: str,
    where: str | None,
    k: str,
    negatives: str | None,
    relevant: str | None,
    weights: str | None,
    rating: RatingUse | None,
    half_life: float | None,
    keep_seen: bool,
    tune: int,
    items: str | None,
    item_columns: str | None,
    models: str,
    known_models: Iterable[str],
    resamples: int,
    seed: int,
    out: Path,
) -> Request:
    """The request that a command line makes, if it makes sense.

    Raises:
        ConfigError: names everything that is wrong, together.
    """
    named, problems = parsed_columns(columns)
    how = list[Split]()
    if (test is None) == (split is None):
        said = "neither was given" if test is None else "both were given"
        problems.append(f"--test and --split: {said}; give a file of what is held out, or how to split: {SPLITS}")
    if split is not None:
        try:
            how.append(parsed_split(split))
        except ValueError as error:
            problems.append(f"--split: {error}")
    if any(each.needs_time for each in how) and "time" not in named:
        problems.append(f"--columns: time= is missing; --split {split} needs it")
    lengths: tuple[int, ...] = ()
    try:
        lengths = parsed_lengths(k)
    except ValueError as error:
        problems.append(f"--k: {error}")
    weighed: dict[str, float] | None = None
    if weights is not None:
        weighed, wrong = parsed_weights(weights)
        problems += wrong
    problems += [
        f"--columns: {role}= is missing; --{option} needs it"
        for role, option, value in (
            ("event", "weights", weights), ("event", "relevant", relevant), ("rating", "rating", rating),
            ("time", "half-life", half_life),
        )
        if value is not None and role not in named
    ]  # fmt: skip
    wanted = None if relevant is None else tuple(dict.fromkeys(_parts(relevant)))
    if wanted == ():
        problems.append("--relevant: is empty; name event types, such as purchase")
    names, known = tuple(dict.fromkeys(_parts(models))), {*known_models}
    problems += [f"--models: unknown model {name!r}{did_you_mean(name, known)}" for name in names if name not in known]
    if not names:
        problems.append(f"--models: is empty; there are {', '.join(sorted(known))}")
    of_items, wrong = _of_items(items, item_columns, names)
    problems += wrong
    problems += [
        f"--{option}: {told}"
        for option, path in (("interactions", interactions), ("test", test), ("negatives", negatives), ("items", items))
        if path is not None and (told := _absent(path))
    ]
    if out.is_dir():
        problems.append(f"--out: {out} is a folder; name a file")
    elif not out.parent.is_dir():
        problems.append(f"--out: {out} cannot be written: no folder {out.parent}")
    if problems:
        raise ConfigError(bulleted("cannot start:", problems, 40))
    return Request(
        interactions=interactions, columns=named, models=names, k=lengths, seed=seed, split=how[0] if how else None,
        test=test, where=where, negatives=negatives, relevant=wanted, weights=weighed, rating=rating,
        half_life_days=half_life, keeps_seen=keep_seen, tune=tune, resamples=resamples,
        items=items, item_columns=of_items,
    )  # fmt: skip


def _of_items(items: str | None, columns: str | None, models: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The columns of what is said of items, and what is wrong with them."""
    if items is None:
        problems = [] if columns is None else ["--item-columns: needs --items, the table whose columns these are"]
        if "content" in models:
            problems.append("--models: content compares what is said of items; give a table of that with --items")
        return {}, problems
    if columns is None:
        return {}, [f"--items: needs --item-columns, which of its columns are {', '.join(ITEM_ROLES)}"]
    named, problems = parsed_columns(columns, "--item-columns", ITEM_ROLES, ("item",))
    if not problems and len(named) == 1:
        problems.append(f"--item-columns: name one more, of {', '.join(ITEM_ROLES[1:])}")
    return named, problems


def _absent(path: str) -> str:
    """What is wrong with a path that can be seen not to be there; of other systems and globs Spark will tell."""
    if not path.strip():
        return "is empty; name a file or a folder"
    if _REMOTE.search(path) or any(sign in path for sign in "*?[{") or os.path.exists(path):
        return ""
    return f"{path} does not exist"


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
