"""What a feature of a user is: declared once, and from it follow the code, the comments in SQL and docs/features.md."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pyspark.sql.types import DataType, LongType

from shoal.errors import SchemaError
from shoal.tables.table import Column
from shoal.tables.vocabulary import MONEY_SUM

Relation = Literal[
    "days", "orders", "sessions", "basket", "facets", "contexts", "consents", "limits", "user",
    "item_days", "item_users", "items", "item",
]  # fmt: skip
_OF_OTHERS = ("user", "item")  # their SQL is an expression of other features
RELATIONS: dict[Relation, str] = {
    "days": "the user's rows of features.user_days",
    "orders": "the user's rows of features.user_days with an order",
    "sessions": "one row per session of the user: views, clicks, searches, favourites, carts and purchase lines (acts; "
    "views and clicks, carts, and purchases of goods among them) that nowhere lie features.session_gap_minutes or more "
    "apart, whatever the device, feed and midnight between them, from first_at to last_at (seconds); event_date is the "
    "day on which it began. What was done at midnight sharp is in none, as feeds say that which know the day only, and "
    "days that were put together before sessions were counted have none",
    "basket": "one row per item that the user put into the cart and has neither bought nor taken out since, with the "
    "day (event_date) and time (last_cart_at) at which it was put there last, and its price by the catalogue; nothing "
    "of days that were put together before these times were kept",
    "facets": "one row per item, category and brand that the user met (facet says which, name its own), with what the "
    "user did with it: lines bought, looks, last_bought, last_met, paid for priced_pieces, ratings, rating_sum, and "
    "the sums of all users in shop, and there as all_lines and so on those of the whole facet",
    "contexts": "one row per channel, region and device of the user's events (facet, name), with its events and the "
    "time of the last (last_at)",
    "consents": "what the user was last known to allow, from silver.user_changes; of merged accounts, what none of "
    "them objects to",
    "limits": "the user's days and purchases beside features.limits",
    "user": "the user's other features",
}

WINDOWS = (1, 7, 30, 90, 365)  # days; a day, a week, a month, a season, a year
_IDENTIFIER = re.compile(r"(?<![\w:.'])[a-z_]\w*")
_LAMBDA = re.compile(r"(\w+|\([\w\s,]+\))\s*->")
_TEXT = re.compile(r"'[^']*'")


@dataclass(frozen=True)
class Feature:
    """One feature. A name that begins with ``_`` is a step on the way to others and no column of the table.

    ``sql`` is Spark SQL: an aggregate over the rows of a relation, or over ``user`` an expression of other features.
    In it ``:as_of`` is the first day that is not seen, and ``:since`` the first day of the window.
    """

    name: str
    type: DataType | None  # None: of a step, whatever its SQL makes
    over: Relation
    sql: str  # empty over ``limits``, which are no SQL
    doc: str = ""
    unit: str = ""
    null: str = ""  # what null means; empty: it is never null
    window: int | None = None  # days before as_of; None: everything before it
    otherwise: int | None = None  # the value of a user of whom there is nothing; None: null
    low: float | None = None
    high: float | None = None
    sources: tuple[str, ...] = ()  # columns of tables, where the SQL does not name them

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        problems = []
        if (":since" in self.sql) != (self.window is not None):
            problems.append(f"{self.name}: a window needs :since in its SQL, and :since a window")
        if self.is_shown and (self.type is None or not self.doc or not self.unit):
            problems.append(f"{self.name}: type, meaning and unit must be said")
        if problems:
            raise SchemaError("features.users", problems)

    @property
    def is_shown(self) -> bool:
        """Whether it is a column of ``features.users``."""
        return not self.name.startswith("_")

    @property
    def is_required(self) -> bool:
        """Whether everybody has a value."""
        return not self.null

    @property
    def identifiers(self) -> frozenset[str]:
        """The names that its SQL uses: columns of its relation, or other features, beside functions and words.

        In small letters, as SQL does not tell ``Spend`` from ``spend``.
        """
        return frozenset(_IDENTIFIER.findall(_TEXT.sub("''", self.sql).lower()))

    @property
    def variables(self) -> frozenset[str]:
        """What the parameters of its lambda functions are called, in small letters."""
        parameters = _LAMBDA.findall(_TEXT.sub("''", self.sql).lower())
        return frozenset(name for found in parameters for name in re.findall(r"\w+", found))

    @property
    def texts(self) -> frozenset[str]:
        """The texts that its SQL compares with."""
        return frozenset(found[1:-1] for found in _TEXT.findall(self.sql))

    @property
    def column(self) -> Column:
        """The column of ``features.users``."""
        assert self.type is not None, "a step on the way is no column"
        within = f" in the {self.window} days before as_of" if self.window and self.window > 1 else ""
        within = " on the day before as_of" if self.window == 1 else within
        null = f"; null {self.null}" if self.null else ""
        # What lies within a window is bounded by what the whole is: a constraint of its own would cost every write.
        low, high = (self.low, self.high) if self.window is None else (None, None)
        doc = f"{self.doc}{within}, {self.unit}{null}"
        return Column(self.name, self.type, doc, self.is_required, low=low, high=high)


class Features(Mapping[str, Feature]):
    """Declared features by name, with what each needs."""

    def __init__(self, features: Iterable[Feature]) -> None:
        """Keep them in their order.

        Raises:
            SchemaError: two have one name, they need each other in a circle, or one calls a variable what a feature is
                called: which of them is meant could not be told.
        """
        declared = [*features]
        self._by_name = {feature.name: feature for feature in declared}
        if len(self._by_name) < len(declared):
            names = [feature.name for feature in declared]
            raise SchemaError("features.users", [f"{n}: declared twice" for n in {*names} if names.count(n) > 1])
        shadows = [
            f"{f.name}: its variable {name} is the name of a feature; call it otherwise"
            for f in declared if f.over == "user" for name in sorted(f.variables & {*self._by_name})
        ]  # fmt: skip
        if shadows:
            raise SchemaError("features.users", shadows)
        self._depths: dict[str, int] = {}
        for name in self:
            self.depth(name)

    def __getitem__(self, name: str) -> Feature:
        return self._by_name[name]

    def __iter__(self):  # type: ignore[no-untyped-def]  # Mapping says what it gives
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def parts(self, name: str) -> list[str]:
        """The features that the SQL of one names; none unless it is an expression of others."""
        feature = self[name]
        if feature.over not in _OF_OTHERS:
            return []
        return [part for part in self if part in feature.identifiers and part != name]

    def depth(self, name: str, on_the_way: tuple[str, ...] = ()) -> int:
        """0 for aggregates, else one more than that of the deepest feature that it names."""
        if name in on_the_way:
            raise SchemaError("features.users", [f"{name}: needs itself, by way of {', '.join(on_the_way)}"])
        if name not in self._depths:
            below = [self.depth(part, (*on_the_way, name)) for part in self.parts(name)]
            self._depths[name] = 1 + max(below, default=0) if self[name].over in _OF_OTHERS else 0
        return self._depths[name]

    def needed_for(self, names: Iterable[str]) -> "Features":
        """These features and all that they need."""
        found, waiting = set[str](), [*names]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.parts(name)
        return Features(self[name] for name in self if name in found)

    def over(self, relation: Relation) -> list[Feature]:
        """The features of one relation."""
        return [feature for feature in self.values() if feature.over == relation]


def count(name: str, doc: str, over: Relation, sql: str, unit: str = "count", window: int | None = None) -> Feature:
    """A number that is 0 where there is nothing."""
    return Feature(name, LongType(), over, sql, doc, unit, window=window, otherwise=0, low=0)


def counts(name: str, doc: str, over: Relation, sql: str, whole: str = "", unit: str = "count") -> list[Feature]:
    """A number over each window, and of all before as_of under ``whole``, else ``name``.

    Args:
        sql: an aggregate of one call, which is given the window.
    """
    return [
        count(whole or name, f"{doc} before as_of", over, sql, unit),
        *(
            count(f"{name}_{days}d", doc, over, f"{sql} FILTER (WHERE event_date >= :since)", unit, days)
            for days in WINDOWS
        ),
    ]


def money(name: str, doc: str, sql: str, null: str, window: int | None = None, low: float | None = 0) -> Feature:
    """Money of a user's days, in the shop's currency."""
    over: Relation = "days"
    return Feature(name, MONEY_SUM, over, sql, doc, "shop's currency", null, window, low=low)
