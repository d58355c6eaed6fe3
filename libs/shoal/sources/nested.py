"""Values that lie inside others: fields of objects, and arrays whose every element makes a row of its own.

A column's ``from`` may be a path: ``properties.order_id`` is a field of an object, ``products[].sku`` a field of each
element of the array that the feed explodes, ``products[]`` the element itself, ``products[#]`` its place from 0.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, StringType, StructField, StructType

from shoal.sources.feed import Feed

_PATH = re.compile(r"(?P<outer>[^\[\]]+?)(?:\[(?P<place>#?)\](?:\.(?P<inner>[^\[\]]+))?)?")
_PLACE, _ELEMENT, _ARRAY = "_shoal_place", "_shoal_element", "_shoal_array"


@dataclass(frozen=True)
class Path:
    """Where a value lies."""

    outer: tuple[str, ...]  # names from the file's column inwards; of an exploded array, up to the array
    inner: tuple[str, ...] = ()  # names inside an element
    of_element: bool = False
    is_place: bool = False

    @property
    def top(self) -> str:
        """The file's column that it lies in."""
        return self.outer[0]


def path_of(source: str) -> Path | None:
    """What a ``from`` says; None where it is no path."""
    found = _PATH.fullmatch(source)
    if found is None:
        return None
    place, inner = found["place"], found["inner"]
    if place == "#" and inner is not None:
        return None
    of_element = place is not None
    return Path((*found["outer"].split("."),), (*inner.split("."),) if inner else (), of_element, place == "#")


def nested_paths(feed: Feed) -> dict[str, Path]:
    """The paths among the feed's columns, by the column's name in the file."""
    found = {column.file_name: path_of(column.file_name) for column in feed.columns}
    return {name: path for name, path in found.items() if path and (len(path.outer) > 1 or path.of_element)}


def file_columns(feed: Feed) -> list[str]:
    """The names of the declared columns that lie in the file itself, in the order of declaration."""
    nested = nested_paths(feed)
    return [column.file_name for column in feed.columns if column.file_name not in nested]


def tops(feed: Feed) -> list[str]:
    """The file's columns that hold something declared inside them, in the order of declaration."""
    exploded = [] if feed.explode is None else [feed.explode.split(".")[0]]
    return [*dict.fromkeys([*(path.top for path in nested_paths(feed).values()), *exploded])]


def contradictions(sources: Iterable[str], explode: str | None) -> Iterator[str]:
    """What is wrong with these paths together."""
    paths = {source: path for source in sources if (path := path_of(source))}
    for source in sources:
        if ("[]" in source or "[#]" in source) and source not in paths:
            yield f"{source} is no path; write it like products[].sku, products[] or products[#]"
    for source, path in paths.items():
        if path.of_element and ".".join(path.outer) != explode:
            said = f"this feed explodes {explode}" if explode else "say `explode:`, and which array"
            yield f"{source} lies in the elements of {'.'.join(path.outer)}; {said}"
    inner = {path.inner for path in paths.values() if path.of_element and not path.is_place}
    if () in inner and len(inner) > 1:
        yield f"{explode}[] is the whole element; it cannot stand beside fields of it"
    exploded = (*explode.split("."),) if explode else None
    outer = {path.outer for path in paths.values() if not path.of_element and len(path.outer) > 1}
    if exploded in outer:
        yield f"{explode} is exploded; it cannot be taken as one value too"
    for place, names in (("", outer | ({exploded} if exploded else set())), (f"{explode}[].", inner)):
        for shorter in names:
            for longer in names:
                if shorter and longer != shorter and longer[: len(shorter)] == shorter:
                    one, other = (place + ".".join(path) for path in (shorter, longer))
                    yield f"{one} is taken as one value; {other} cannot be taken out of it too"
    if any("" in (*path.outer, *path.inner[:-1]) or "`" in source for source, path in paths.items() if "." in source):
        yield "a path has an empty name or a backtick in it"


def unnested(feed: Feed, rows: DataFrame) -> DataFrame:
    """Rows with a column for each declared path, under the path's text; one row per element of an exploded array.

    An array that is missing, or has no element that is to make a row, makes one row without an element, so that no row
    of the file is lost. A column that the file has under the very text of a path wins.
    """
    paths, there = nested_paths(feed), {*rows.columns}
    if not paths and feed.explode is None:
        return rows
    kinds = {field.name: field.dataType for field in rows.schema}
    leaves: dict[tuple[str, ...], DataType] = {p.outer: StringType() for p in paths.values() if not p.of_element}
    exploded = None if feed.explode is None else (*feed.explode.split("."),)
    if exploded is not None:
        leaves |= {exploded: ArrayType(_element_type(paths.values()))}
    held = {top: f"_shoal_held_{place}" for place, top in enumerate(tops(feed)) if top in there}
    # Columns of their own, so that the JSON of each is read once a row, whatever is taken out of it.
    rows = rows.withColumns({
        held[top]: _parsed(top, kinds[top], {outer[1:]: kind for outer, kind in leaves.items() if outer[0] == top})
        for top in held
    })  # fmt: skip

    def inside(outer: Sequence[str]) -> Column:
        if outer[0] not in held:
            return F.lit(None)
        return reduce(lambda value, name: value.getField(name), outer[1:], F.col(held[outer[0]]))

    if exploded is not None:
        rows = rows.withColumn(_ARRAY, inside(exploded).cast(leaves[exploded]))
        chosen = _ARRAY if feed.elements is None else f"filter({_ARRAY}, element -> {feed.elements})"
        rows = rows.select("*", F.posexplode_outer(F.expr(chosen)).alias(_PLACE, _ELEMENT)).drop(_ARRAY)
    columns = {}
    for name, path in paths.items():
        if name in there and path.top not in there:
            continue  # a plain column whose name has a dot
        if path.is_place:
            value = F.col(_PLACE).cast("string")
        elif path.of_element:
            value = reduce(lambda held, part: held.getField(part), path.inner, F.col(_ELEMENT))
        else:
            value = inside(path.outer).cast("string")
        columns[name] = F.coalesce(F.col(f"`{name}`").cast("string"), value) if name in there else value
    return rows.withColumns(columns)


def said_once(feed: Feed, extra: Column) -> Column:
    """Of the rows that one array makes, only the first keeps the whole of what it was made from."""
    if feed.explode is None:
        return extra
    others = F.map_filter(extra, lambda name, _: ~name.isin(tops(feed)))
    return F.when(F.coalesce(F.col(_PLACE), F.lit(0)) == 0, extra).otherwise(others)


def _parsed(top: str, kind: DataType, leaves: dict[tuple[str, ...], DataType]) -> Column:
    """A column's JSON read once, for all that is wanted of it."""
    column = F.col(f"`{top}`")
    text = F.to_json(column) if kind.typeName() in {"struct", "map", "array"} else column.cast("string")
    schema = _type_of(leaves)
    assert isinstance(schema, StructType | ArrayType), "a path leads into an object or to an array"
    return F.from_json(text, schema)


def _element_type(paths: Iterable[Path]) -> DataType:
    inner: dict[tuple[str, ...], DataType] = {
        path.inner: StringType() for path in paths if path.of_element and not path.is_place
    }
    return _type_of(inner) if inner else StringType()


def _type_of(leaves: dict[tuple[str, ...], DataType]) -> DataType:
    """A struct with these leaves; the leaf itself where it has no name."""
    if () in leaves:
        return leaves[()]
    firsts = dict.fromkeys(names[0] for names in leaves)
    parts = {first: {names[1:]: kind for names, kind in leaves.items() if names[0] == first} for first in firsts}
    return StructType([StructField(first, _type_of(part)) for first, part in parts.items()])
