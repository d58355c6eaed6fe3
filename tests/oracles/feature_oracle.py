"""Every feature of a user by DuckDB, from the events themselves: no tile, no shared code, each from its definition.

``oracle(con, as_of, zone)`` reads the views ``events`` (rows of silver.events), ``items`` (one row per item: item_id,
category, brand, price) and ``said`` (what users allowed: user_id, moment, day, name, given).
"""

from collections.abc import Iterable, Mapping
from datetime import date
from math import isclose
from typing import Any

import duckdb

from shoal.tables import EVENTS, ITEMS, USER_FEATURES
from shoal.tables.user_features import FEATURES
from shoal.transforms.catalogue import catalogue_at

# What there is is asked of the declarations, what it is of nothing but the events.
_GIVEN = {"limits"}  # relations that are learned and not told by events: they have tests of their own
SHOWN = [
    feature.name
    for feature in FEATURES.values()
    if feature.is_shown and not {each.over for each in FEATURES.needed_for([feature.name]).values()} & _GIVEN
]
WINDOWS = (1, 7, 30, 90, 365)
SINCE = {"": "true", **{f"_{days}d": f"day >= as_of - {days}" for days in WINDOWS}}
CIRCLES = {"typical_weekday": 7.0, "typical_hour": 24.0, "order_season_day": 366.0}

_VIEWS = """
CREATE OR REPLACE TEMP VIEW acts AS
SELECT e.*, e.event_date AS day, timezone('{zone}', event_time) AS local,
       DATE '{as_of}' AS as_of, event_type = 'purchase' AS bought,
       event_type = 'return' AS gave_back, coalesce(line_kind, 'goods') = 'goods' AS goods,
       event_type IN ('view', 'click') AS viewed, event_type IN ('view', 'click', 'cart') AS looked
FROM events e WHERE user_id IS NOT NULL AND NOT is_deleted AND event_date < DATE '{as_of}';

-- An order is of the day of its first line; what was spent on a day is of that day, whatever the order.
CREATE OR REPLACE TEMP VIEW orders AS
SELECT user_id, order_id, min(day) AS day, min(event_time) AS time, any_value(as_of) AS as_of
FROM acts WHERE bought GROUP BY user_id, order_id;

CREATE OR REPLACE TEMP VIEW order_days AS
SELECT o.user_id, o.day, o.orders, s.gross, s.lines,
       row_number() OVER (PARTITION BY o.user_id ORDER BY o.day DESC) AS place,
       o.day - lag(o.day) OVER (PARTITION BY o.user_id ORDER BY o.day) AS gap
FROM (SELECT user_id, day, count(*) AS orders FROM orders GROUP BY ALL) o
JOIN (SELECT user_id, day, sum(amount_base) FILTER (bought) AS gross, count_if(bought AND goods) AS lines
      FROM acts GROUP BY ALL) s USING (user_id, day);

CREATE OR REPLACE TEMP VIEW valued AS
SELECT user_id, gross::DOUBLE / orders AS value, row_number() OVER (PARTITION BY user_id ORDER BY place) AS place
FROM order_days WHERE gross IS NOT NULL;

CREATE OR REPLACE TEMP VIEW goods_acts AS
SELECT a.*, i.category AS of_category, i.brand AS of_brand FROM acts a LEFT JOIN items i USING (item_id)
WHERE item_id IS NOT NULL AND goods;

CREATE OR REPLACE TEMP VIEW timed AS
SELECT user_id, date_diff('second', date_trunc('day', local), local) / 86400 AS turn FROM acts
WHERE (looked OR bought OR event_type IN ('search', 'favourite')) AND local <> date_trunc('day', local);

-- The sessions of a user are told from all acts at once: one begins after half an hour of silence.
CREATE OR REPLACE TEMP VIEW begun AS
SELECT *, coalesce(event_time - lag(event_time) OVER by_time >= INTERVAL 30 MINUTE, true) AS begins FROM acts
WHERE (looked OR bought OR event_type IN ('search', 'favourite')) AND local <> date_trunc('day', local)
WINDOW by_time AS (PARTITION BY user_id ORDER BY event_time);

CREATE OR REPLACE TEMP VIEW visits AS
SELECT user_id, any_value(as_of) AS as_of, min(day) AS day, min(event_time) AS began, count(*) AS acts,
       date_diff('microsecond', min(event_time), max(event_time)) / 60e6 AS minutes, count_if(viewed) AS views,
       count_if(event_type = 'cart') AS carts, count_if(bought AND goods) AS purchases
FROM (SELECT *, count_if(begins) OVER (PARTITION BY user_id ORDER BY event_time) AS number FROM begun)
GROUP BY user_id, number;

CREATE OR REPLACE TEMP VIEW left_in_cart AS
WITH carts AS (SELECT user_id, item_id, max(event_time) AS time, max(day) AS day, any_value(as_of) AS as_of
               FROM goods_acts WHERE event_type = 'cart' GROUP BY ALL)
SELECT c.*, i.price FROM carts c LEFT JOIN items i USING (item_id)
WHERE NOT EXISTS (FROM goods_acts g WHERE g.user_id = c.user_id AND g.item_id = c.item_id AND g.event_time >= c.time
                  AND event_type IN ('purchase', 'uncart'));

CREATE OR REPLACE TEMP VIEW rated AS
SELECT g.user_id, g.rating, avg(rating) OVER (PARTITION BY item_id) AS usual FROM goods_acts g
WHERE event_type = 'review' AND rating IS NOT NULL;

CREATE OR REPLACE TEMP VIEW shop_prices AS
SELECT item_id, sum(amount_base)::DOUBLE / sum(coalesce(quantity, 1)) AS price
FROM goods_acts WHERE bought AND amount_base IS NOT NULL GROUP BY 1;
"""


def _acts() -> dict[str, str]:
    """Of all acts of a user."""
    found = {
        "recency_event_days": "any_value(as_of) - max(day)",
        "tenure_days": "any_value(as_of) - min(day)",
        "recency_view_days": "any_value(as_of) - max(day) FILTER (viewed)",
        "recency_search_days": "any_value(as_of) - max(day) FILTER (event_type = 'search')",
        "recency_favourite_days": "any_value(as_of) - max(day) FILTER (event_type = 'favourite')",
        "recency_cart_days": "any_value(as_of) - max(day) FILTER (event_type = 'cart')",
        "recency_return_days": "any_value(as_of) - max(day) FILTER (gave_back AND goods)",
        "recency_contact_days": "any_value(as_of) - max(day) FILTER (event_type = 'campaign')",
        "discounted_line_share": "avg((coalesce(discount_amount, 0) > 0)::INT) FILTER (bought AND goods)",
        "_first_day": "min(day)",
        "returned_pieces": "coalesce(sum(quantity) FILTER (gave_back AND goods), 0)",
        "weekend_share": "count_if(isodow(day) >= 6) / count(*)",
        **_direction("typical_weekday", "weekday_concentration", "(isodow(day) - 1) / 7", 7),
    }
    for suffix, inside in SINCE.items():
        found |= {
            f"active_days{suffix}": f"count(DISTINCT day) FILTER ({inside})",
            f"searches{suffix}": f"count_if({inside} AND event_type = 'search')",
            f"views{suffix}": f"count_if({inside} AND viewed)",
            f"favourites{suffix}": f"count_if({inside} AND event_type = 'favourite')",
            f"reviews{suffix}": f"count_if({inside} AND event_type = 'review')",
            f"contacts{suffix}": f"count_if({inside} AND event_type = 'campaign')",
            f"carts{suffix}": f"count_if({inside} AND event_type = 'cart')",
            f"purchases{suffix}": f"count_if({inside} AND bought AND goods)",
            f"pieces{suffix}": f"coalesce(sum(quantity) FILTER ({inside} AND bought AND goods), 0)",
            f"returns{suffix}": f"count_if({inside} AND gave_back AND goods)",
            f"spend{suffix}": f"sum(CASE WHEN {inside} THEN amount_base ELSE 0 * amount_base END) FILTER (bought)",
            f"returned{suffix}":
                f"sum(CASE WHEN {inside} THEN amount_base ELSE 0 * amount_base END) FILTER (gave_back)",
            f"net_spend{suffix}": f"""sum(CASE WHEN NOT ({inside}) THEN 0 * amount_base
                                               WHEN bought THEN amount_base WHEN gave_back THEN -amount_base END)
                                      FILTER (bought OR gave_back)""",
            f"discount{suffix}":
                f"sum(CASE WHEN {inside} THEN discount_amount ELSE 0 * discount_amount END) FILTER (bought)",
        }  # fmt: skip
    return found


def _direction(typical: str, concentration: str, turns: str, period: int, times: str = "1") -> dict[str, str]:
    x, y = (f"sum({times} * {f}(2 * pi() * {turns}))" for f in ("cos", "sin"))
    length = f"sqrt(({x}) ** 2 + ({y}) ** 2) / sum({times})"
    angle = f"atan2({y}, {x}) / (2 * pi()) * {period}"
    return {
        concentration: f"least(1, {length})",
        typical: f"CASE WHEN {length} > 1e-6 THEN CASE WHEN {angle} < 0 THEN {angle} + {period} ELSE {angle} END END",
    }


def _orders() -> dict[str, str]:
    """Of the orders of a buyer."""
    return {
        "_buys": "true",
        "recency_days": "any_value(as_of) - max(day)",
        "last_order_at": "epoch_us(max(time))",
        "first_order_date": "min(day)",
        "frequency": "count(*)",
        **{f"orders{suffix}": f"count_if({inside})" for suffix, inside in SINCE.items() if suffix},
        **_direction("order_season_day", "order_season_concentration", "(dayofyear(day) - 1) / 366", 366),
    }


def _trend(value: str) -> str:
    return f"""CASE WHEN count(*) > 3 AND avg({value}) > 0
                    THEN avg({value}) FILTER (place <= 3) / avg({value}) END"""


def _spread(value: str) -> str:
    return f"CASE WHEN count({value}) >= 2 THEN stddev_pop({value}) END"


def _order_days() -> dict[str, str]:
    return {
        "gap_days": "avg(gap)",
        "gap_median_days": "median(gap)",
        "gap_spread_days": _spread("gap"),
        "gap_variation": f"{_spread('gap')} / avg(gap)",
        "next_order_date": "CASE WHEN count(gap) >= 2 THEN max(day) + round(median(gap))::INT END",
        "_overdue_by": "CASE WHEN count(gap) >= 2 THEN median(gap) END",
        "basket_size_spread": _spread("lines / orders"),
        "basket_size_trend": _trend("lines / orders"),
    }


def _values() -> dict[str, str]:
    return {
        "order_value_spread": _spread("value"),
        "order_value_trend": _trend("value"),
        "last_order_value": "any_value(value) FILTER (place = 1)",
    }


def _visits() -> dict[str, str]:
    """Of the sessions of a user."""
    found = {
        "recency_session_days": "any_value(as_of) - max(day)",
        "session_interval_days":
            "date_diff('microsecond', min(began), max(began)) / 86400e6 / nullif(count(*) - 1, 0)",
        "session_minutes": "avg(minutes)",
        "session_median_minutes": "median(minutes)",
        "session_acts": "avg(acts)",
        "session_views": "avg(views)",
        "bounce_share": "avg((acts = 1 AND purchases = 0)::INT)",
        "cart_session_share": "avg((carts > 0)::INT)",
        "purchase_session_share": "avg((purchases > 0)::INT)",
        "view_to_cart_share": "avg((carts > 0)::INT) FILTER (views > 0)",
        "cart_to_purchase_share": "avg((purchases > 0)::INT) FILTER (carts > 0)",
        "last_session_minutes": "arg_max(minutes, began)",
        "last_session_acts": "arg_max(acts, began)",
        "last_session_abandoned": "arg_max(carts > 0 AND purchases = 0, began)",
    }  # fmt: skip
    for suffix, inside in SINCE.items():
        found |= {
            f"sessions{suffix}": f"count_if({inside})",
            f"abandoned_carts{suffix}": f"count_if({inside} AND carts > 0 AND purchases = 0)",
        }
        if suffix in ("", "_7d", "_30d", "_90d"):
            found[f"minutes_spent{suffix}"] = f"coalesce(sum(minutes) FILTER ({inside}), 0)"
    return found


def _basket() -> dict[str, str]:
    """Of what is left in the cart."""
    return {
        "open_basket_value": "sum(price)",
        "recency_open_basket_days": "any_value(as_of) - max(day)",
        **{f"open_basket_items{suffix}": f"count_if({inside})" for suffix, inside in SINCE.items()},
    }


def _goods() -> dict[str, str]:
    """Of what was done with goods."""
    found = {}
    kinds = {"items": "item_id", "categories": "of_category", "brands": "of_brand"}
    for suffix, inside in SINCE.items():
        for many, column in kinds.items():
            found |= {
                f"distinct_{many}{suffix}": f"count(DISTINCT {column}) FILTER ({inside} AND bought)",
                f"distinct_{many}_viewed{suffix}": f"count(DISTINCT {column}) FILTER ({inside} AND (looked OR bought))",
            }
    return found


def _prices() -> dict[str, str]:
    paid, pieces = "sum(amount_base)::DOUBLE", "sum(coalesce(quantity, 1))"
    return {
        "price_ratio": f"{paid} / nullif(sum(coalesce(quantity, 1) * price), 0)",
        "price_level": f"({paid} + 10 * any_value(shop_price)) / ({pieces} + 10) / nullif(any_value(shop_price), 0)",
    }


def _liked(facet: str) -> dict[str, str]:
    """Of a user's row per name of a facet, with its lines, its place, all of the user's lines, and the shop's share."""
    return {
        f"main_{facet}": "any_value(name) FILTER (place = 1)",
        f"main_{facet}_share": "any_value(lines / whole) FILTER (place = 1)",
        f"main_{facet}_affinity": "any_value((lines + 10 * shop) / (whole + 10) / shop) FILTER (place = 1)",
        f"{facet}_entropy": "-sum(lines / whole * ln(lines / whole))",
    }


def _of_likings(facet: str) -> str:
    name = f"of_{facet}"
    return f"""
        WITH mine AS (SELECT user_id, {name} AS name, count(*) AS lines FROM goods_acts
                      WHERE bought AND {name} IS NOT NULL GROUP BY ALL),
             everyones AS (SELECT name, sum(lines) / (SELECT sum(lines) FROM mine) AS shop FROM mine GROUP BY 1)
        SELECT *, sum(lines) OVER (PARTITION BY user_id) AS whole,
               row_number() OVER (PARTITION BY user_id ORDER BY lines DESC, name) AS place
        FROM mine JOIN everyones USING (name)"""


def _of_contexts(facet: str) -> str:
    return f"""
        SELECT user_id, {facet} AS name, count(*) AS many, sum(count(*)) OVER (PARTITION BY user_id) AS whole,
               row_number() OVER (PARTITION BY user_id ORDER BY count(*) DESC, {facet}) AS place,
               row_number() OVER (PARTITION BY user_id ORDER BY max(event_time) DESC, {facet} DESC) AS lately
        FROM acts WHERE {facet} IS NOT NULL GROUP BY user_id, {facet}"""


def _met_by(facet: str) -> dict[str, str]:
    return {
        f"main_{facet}": "any_value(name) FILTER (place = 1)",
        f"main_{facet}_share": "any_value(many / whole) FILTER (place = 1)",
        f"last_{facet}": "any_value(name) FILTER (lately = 1)",
    }


def _of_looks(facet: str) -> str:
    name = f"of_{facet}"
    return f"""SELECT user_id, {name} AS name, row_number() OVER (PARTITION BY user_id ORDER BY count(*) DESC, {name})
                   AS place
               FROM goods_acts WHERE looked AND {name} IS NOT NULL GROUP BY user_id, {name}"""


def _made_of_others() -> dict[str, str]:
    """Of the columns of one user's row."""
    pairs = {
        "active_days": [(7, 30), (30, 90)], "views": [(7, 30), (30, 90)], "carts": [(7, 30)],
        "orders": [(30, 90), (90, 365)], "spend": [(30, 90), (90, 365)],
    }  # fmt: skip
    rates = {
        f"{name}_trend_{short}_{long}": f"""CASE WHEN {name}_{long}d > 0
            THEN ({name}_{short}d::DOUBLE / {short}) / ({name}_{long}d::DOUBLE / {long}) END"""
        for name, windows in pairs.items()
        for short, long in windows
    }
    return {
        "is_buyer": "frequency > 0",
        "days_to_first_order": "first_order_date - _first_day",
        "order_value": "CASE WHEN frequency > 0 THEN spend::DOUBLE / frequency END",
        "basket_size": "CASE WHEN frequency > 0 THEN purchases / frequency END",
        "pieces_per_order": "CASE WHEN frequency > 0 THEN pieces / frequency END",
        "return_rate": "CASE WHEN pieces > 0 THEN least(1, returned_pieces / pieces) END",
        "discount_share": """CASE WHEN spend + coalesce(discount, 0) > 0
                             THEN coalesce(discount, 0)::DOUBLE / (spend + coalesce(discount, 0))::DOUBLE END""",
        "overdue_ratio": "recency_days / _overdue_by",
        "carts_per_view_90d": "carts_90d / nullif(views_90d, 0)",
        "purchases_per_view_90d": "purchases_90d / nullif(views_90d, 0)",
        "purchases_per_cart_90d": "purchases_90d / nullif(carts_90d, 0)",
        "repeat_share": "1 - distinct_items / nullif(purchases, 0)",
        **rates,
    }


_COUNTED = ("sessions", "abandoned_carts", "minutes_spent", "open_basket_items")
_ZERO = {  # of whom there is nothing
    "frequency", *(f"orders_{days}d" for days in WINDOWS), *_goods(),
    *(name for name in (*_visits(), *_basket()) if name.startswith(_COUNTED)),
}  # fmt: skip


def oracle(con: duckdb.DuckDBPyConnection, as_of: date, zone: str) -> dict[str, dict[str, Any]]:
    """Every feature of every user who acted before ``as_of``, by user."""
    con.execute(_VIEWS.format(as_of=as_of, zone=zone))
    allowed = "arg_max(given, moment) FILTER (name = '{}')"
    whole = "(SELECT sum(amount_base)::DOUBLE / sum(coalesce(quantity, 1)) FROM goods_acts " \
            "WHERE bought AND amount_base IS NOT NULL)"  # fmt: skip
    parts = {
        "acts": _acts(),
        "orders": _orders(),
        "order_days": _order_days(),
        "valued": _values(),
        "goods_acts": _goods(),
        "visits": _visits(),
        "left_in_cart": _basket(),
        "timed": _direction("typical_hour", "hour_concentration", "turn", 24),
        "rated": {"mean_rating": "avg(rating)", "rating_against_items": "avg(rating - usual)"},
        f"(SELECT * FROM said WHERE day < DATE '{as_of}')": {
            "marketing_consent": allowed.format("marketing"),
            "email_consent": f"coalesce({allowed.format('marketing/email')}, {allowed.format('marketing')})",
        },
        **{f"({_of_contexts(facet)})": _met_by(facet) for facet in ("channel", "region", "device")},
        f"(SELECT g.*, price, {whole} AS shop_price FROM goods_acts g JOIN shop_prices USING (item_id) "
        "WHERE bought AND amount_base IS NOT NULL)": _prices(),
        **{f"({_of_likings(facet)})": _liked(facet) for facet in ("category", "brand")},
        **{
            f"({_of_looks(facet)})": {f"main_{facet}_viewed": "any_value(name) FILTER (place = 1)"}
            for facet in ("category", "brand")
        },
    }  # fmt: skip
    selected = [
        f"(SELECT user_id, {', '.join(f'{sql} AS {name}' for name, sql in measures.items())} "
        f"FROM {source} GROUP BY user_id)"
        for source, measures in parts.items()
    ]
    first, *further = selected
    joined = " LEFT JOIN ".join([f"{first} t", *(f"{part} t{n} USING (user_id)" for n, part in enumerate(further))])
    names = [name for measures in parts.values() for name in measures]
    filled = ", ".join(f"coalesce({name}, 0) AS {name}" if name in _ZERO else name for name in names)
    others = _made_of_others()
    sql = f"""SELECT *, {", ".join(f"{made} AS {name}" for name, made in others.items())}
              FROM (SELECT user_id, {filled} FROM {joined})"""
    found = con.sql(sql)
    rows = found.fetchall()
    by_user = {row[0]: dict(zip(found.columns, row, strict=True)) for row in rows}
    assert len(by_user) == len(rows), "a user has two rows"
    return by_user


def of_a_lake(shelf: Any, as_of: date, zone: str) -> list[str]:
    """Where the features of the only run in a lake are not what the events in it say; without a user feed."""
    con = duckdb.connect()
    con.register("events", shelf.read(EVENTS).toArrow())
    con.register(
        "items", catalogue_at(shelf.read(ITEMS), as_of).select("item_id", "category", "brand", "price").toArrow()
    )
    con.register("features", shelf.read(USER_FEATURES).toArrow())
    con.execute("CREATE TABLE said (user_id TEXT, moment TIMESTAMP, day DATE, name TEXT, given BOOLEAN)")
    return differences(features_in(con, "features"), oracle(con, as_of, zone), SHOWN)


def features_in(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, dict[str, Any]]:
    """Rows of ``features.users``, by user."""
    found = con.sql(f"SELECT * REPLACE (epoch_us(last_order_at) AS last_order_at) FROM {table}")
    return {row[found.columns.index("user_id")]: dict(zip(found.columns, row, strict=True)) for row in found.fetchall()}


def differences(found: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Mapping[str, Any]],
                names: Iterable[str]) -> list[str]:  # fmt: skip
    """Where two sets of features are not the same to 1e-9, as ``user.feature: found, wanted``."""
    said = [f"{user}: only on one side" for user in {*found} ^ {*wanted}]
    return said + [
        f"{user}.{name}: {found[user][name]!r}, wanted {wanted[user][name]!r}"
        for user in sorted({*found} & {*wanted})
        for name in names
        if not _same(found[user][name], wanted[user][name], CIRCLES.get(name))
    ]


def _same(found: Any, wanted: Any, circle: float | None) -> bool:
    if not isinstance(found, float) or wanted is None:
        return bool(found == wanted)
    off = abs(found - float(wanted))
    if circle is not None:
        return min(off, circle - off) <= 1e-7
    return isclose(found, float(wanted), rel_tol=1e-9, abs_tol=1e-11)
