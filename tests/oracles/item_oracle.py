"""Features of items, and what users like, by DuckDB from the events themselves: no tile, no shared code.

Both read the views ``events`` (rows of silver.events), ``items`` (one row per item) and ``users`` (user_id of those who
count).
"""

from datetime import date
from math import sqrt
from typing import Any

import duckdb
from feature_oracle import differences

from shoal.tables import EVENTS, ITEM_FEATURES, ITEMS, USER_CATEGORIES, USER_FEATURES
from shoal.tables.item_features import OF_ITEMS
from shoal.transforms.catalogue import catalogue_at

SHOWN = [feature.name for feature in OF_ITEMS.values() if feature.is_shown]
SAID = ["in_catalogue", "item_group_id", "title", "category", "brand", "price", "stock", "recommendable"]
LIKED = [name for name in USER_CATEGORIES.names if name not in ("run_id", "as_of", "user_id", "facet", "name")]
WINDOWS = (7, 30, 90, 365)

_ACTS = """
CREATE OR REPLACE TEMP VIEW acts AS
SELECT e.user_id, e.item_id, e.event_date AS day, e.event_type, e.quantity, e.amount_base, DATE '{as_of}' AS as_of,
       event_type = 'purchase' AS bought, event_type = 'return' AS gave_back, event_type = 'cart' AS carted,
       event_type IN ('view', 'click') AS viewed, event_type IN ('view', 'click', 'cart') AS looked
FROM events e JOIN users USING (user_id)
WHERE NOT is_deleted AND event_date < DATE '{as_of}' AND item_id IS NOT NULL
  AND coalesce(line_kind, 'goods') = 'goods'
"""

_COUNTED = {
    "views": "count_if(viewed AND {since})",
    "favourites": "count_if(event_type = 'favourite' AND {since})",
    "carts": "count_if(carted AND {since})",
    "purchases": "count_if(bought AND {since})",
    "pieces": "coalesce(sum(quantity) FILTER (bought AND {since}), 0)::BIGINT",
    "returns": "count_if(gave_back AND {since})",
    "returned_pieces": "coalesce(sum(quantity) FILTER (gave_back AND {since}), 0)::BIGINT",
    "viewers": "count(DISTINCT user_id) FILTER (viewed AND {since})",
    "buyers": "count(DISTINCT user_id) FILTER (bought AND {since})",
    "users": "count(DISTINCT user_id) FILTER ((looked OR bought) AND {since})",
}
_PAID = {"gross": "bought", "returned": "gave_back"}
_STEPS = {
    "view_to_cart": ("viewed", "carted"),
    "cart_to_buy": ("carted", "bought"),
    "view_to_buy": ("viewed", "bought"),
}
_ZERO = {
    *(f"{name}{suffix}" for name in _COUNTED for suffix in ("", *(f"_{days}d" for days in WINDOWS))),
    *(f"_{name}_{what}" for name in _STEPS for what in ("of", "did")),
    *("popularity", "interest", "repeat_buyers"),
}


def _aggregates() -> dict[str, str]:
    since = {"": "true", **{f"_{days}d": f"day >= as_of - {days}" for days in WINDOWS}}
    fading = "pow(0.5, (as_of - day) / 90)"
    before = "day BETWEEN as_of - 37 AND as_of - 8"
    priced = "bought AND amount_base IS NOT NULL"
    price = "sum(amount_base::DOUBLE) FILTER ({0}) / sum(coalesce(quantity, 1)) FILTER ({0})"
    return {
        **{f"{name}{suffix}": sql.format(since=within) for name, sql in _COUNTED.items()
           for suffix, within in since.items()},
        **{name: f"sum(amount_base) FILTER ({which})" for name, which in _PAID.items()},
        **{f"{name}_{days}d": f"CASE WHEN count(amount_base) FILTER ({which}) > 0 THEN "
           f"coalesce(sum(amount_base) FILTER ({which} AND day >= as_of - {days}), 0) END"
           for name, which in _PAID.items() for days in WINDOWS},
        "popularity": f"coalesce(sum({fading}) FILTER (bought), 0)",
        "interest": f"coalesce(sum({fading}) FILTER (looked), 0)",
        **{f"{name}_trend":
           f"(count_if({which} AND day >= as_of - 7) + 5) / (count_if({which} AND {before}) * 7 / 30 + 5)"
           for name, which in {"purchases": "bought", "views": "viewed"}.items()},
        "mean_price": price.format(priced),
        **{f"mean_price_{days}d": price.format(f"{priced} AND day >= as_of - {days}") for days in (30, 365)},
        "first_met": "min(day)",
        "first_sold": "min(day) FILTER (bought)",
        "last_sold": "max(day) FILTER (bought)",
        "days_since_sold": "(any_value(as_of) - max(day) FILTER (bought))::INTEGER",
        "is_selling": "count_if(bought AND day >= as_of - 30) > 0",
        **{f"_{name}_of": f"count(DISTINCT user_id) FILTER ({first} AND day >= as_of - 90)"
           for name, (first, _) in _STEPS.items()},
    }  # fmt: skip


def of_items(con: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, dict[str, Any]]:
    """Every feature of every item that is in the catalogue or was met before ``as_of``."""
    con.execute(_ACTS.format(as_of=as_of))
    measures = _aggregates()
    did = "\n".join(
        f"""LEFT JOIN (SELECT item_id, count(*) AS _{name}_did FROM (
                SELECT DISTINCT item_id, user_id FROM acts WHERE {first} AND day >= as_of - 90
                INTERSECT SELECT DISTINCT item_id, user_id FROM acts WHERE {then} AND day >= as_of - 90)
            GROUP BY 1) USING (item_id)"""
        for name, (first, then) in _STEPS.items()
    )
    found = con.sql(f"""
        WITH sums AS (
            SELECT item_id, {", ".join(f"{sql} AS {name}" for name, sql in measures.items())}
            FROM acts GROUP BY item_id),
        again AS (
            SELECT item_id, count_if(days >= 2) AS repeat_buyers FROM (
                SELECT item_id, user_id, count(DISTINCT day) AS days FROM acts WHERE bought GROUP BY ALL) GROUP BY 1),
        of_days AS (
            SELECT item_id, day, sum(amount_base::DOUBLE) / sum(coalesce(quantity, 1)) AS price FROM acts
            WHERE bought AND amount_base IS NOT NULL GROUP BY item_id, user_id, day),
        latest AS (
            SELECT item_id, max(price) AS last_price FROM of_days
            WHERE day = (SELECT max(day) FROM of_days o WHERE o.item_id = of_days.item_id) GROUP BY 1)
        SELECT coalesce(i.item_id, s.item_id) AS item_id, i.item_id IS NOT NULL AS in_catalogue, item_group_id, title,
               category, brand, i.price, stock, recommendable, s.* EXCLUDE (item_id), a.* EXCLUDE (item_id),
               last_price, {", ".join(f"_{name}_did" for name in _STEPS)}
        FROM items i FULL JOIN sums s USING (item_id) LEFT JOIN again a USING (item_id) LEFT JOIN latest USING (item_id)
        {did}
    """)
    rows = _by(found, ("item_id",))
    for row in rows.values():
        zero = [name for name in row if name in _ZERO and row[name] is None]
        row |= dict.fromkeys(zero, 0)
        row |= {name: 1.0 for name in ("purchases_trend", "views_trend") if row[name] is None}  # 0 + 5 over 0 + 5
        row["is_selling"] = bool(row["is_selling"])
    _with_shares(list(rows.values()))
    return rows


def _with_shares(rows: list[dict[str, Any]]) -> None:
    """What is one thing over another, of an item and in the shop."""
    came_back = [min(row["returned_pieces"], row["pieces"]) for row in rows]
    all_back, all_pieces = sum(came_back), sum(row["pieces"] for row in rows)
    for row, back in zip(rows, came_back, strict=True):
        row["repeat_buyer_share"] = row["repeat_buyers"] / row["buyers"] if row["buyers"] else None
        row["return_rate"] = back / row["pieces"] if row["pieces"] else None
        row["expected_return_rate"] = (
            (back + 10 * all_back / all_pieces) / (row["pieces"] + 10) if all_pieces else None
        )  # fmt: skip
    for name in _STEPS:
        whole, part = sum(row[f"_{name}_of"] for row in rows), sum(row[f"_{name}_did"] for row in rows)
        for row in rows:
            n, k = row[f"_{name}_of"], row[f"_{name}_did"]
            row[f"{name}_90d"] = (k + 10 * part / whole) / (n + 10) if whole else None
            row[f"{name}_90d_low"] = wilson_low(k, n) if n else None


def wilson_low(k: int, n: int) -> float:
    """The lower end of Wilson's 95 % interval of k of n: where k / n lies z standard errors of itself above it."""
    z = 1.959963984540054
    # (k / n - x)^2 = z^2 x (1 - x) / n, solved for the smaller x.
    a, b, c = 1 + z * z / n, -(2 * k / n + z * z / n), (k / n) ** 2
    return max(0.0, (-b - sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a))


def of_tastes(
    con: duckdb.DuckDBPyConnection, as_of: date, *, levels: int, prior: float, most: int
) -> dict[str, dict[str, Any]]:
    """What each user likes: the rows of ``features.user_categories`` by ``user/facet/name``."""
    con.execute(_ACTS.format(as_of=as_of))
    digits = "(round({0} / pow(10, floor(log10({0})) - 2)) * pow(10, floor(log10({0})) - 2))"
    found = con.sql(f"""
        WITH each AS (
            SELECT a.*, 'category' AS facet, array_to_string(str_split(category, '/')[1:{levels}], '/') AS name
            FROM acts a JOIN items USING (item_id) WHERE category IS NOT NULL AND (looked OR bought)
            UNION ALL
            SELECT a.*, 'brand', brand FROM acts a JOIN items USING (item_id) WHERE brand IS NOT NULL
              AND (looked OR bought)),
        of_user AS (
            SELECT user_id, facet, name, count_if(bought) AS lines, count_if(looked) AS looks, max(day) AS last_met,
                   count(DISTINCT day) FILTER (bought) AS days_bought, min(day) FILTER (bought) AS first_bought,
                   max(day) FILTER (bought) AS last_bought
            FROM each GROUP BY ALL),
        gaps AS (
            SELECT user_id, facet, name, median(gap)::DOUBLE AS typical, stddev_pop(gap) / avg(gap) AS variation FROM (
                SELECT user_id, facet, name, day - lag(day) OVER (PARTITION BY user_id, facet, name ORDER BY day) AS gap
                FROM (SELECT DISTINCT user_id, facet, name, day FROM each WHERE bought))
            WHERE gap IS NOT NULL GROUP BY ALL),
        shop AS (SELECT facet, name, sum(lines) AS sold FROM of_user GROUP BY ALL),
        liked AS (
            SELECT u.*, w.bought, (lines + {prior}) / (w.bought * coalesce(sold / nullif(all_sold, 0), 0) + {prior})
                       AS affinity
            FROM of_user u JOIN shop USING (facet, name)
            JOIN (SELECT facet, sum(sold) AS all_sold FROM shop GROUP BY 1) USING (facet)
            JOIN (SELECT user_id, facet, sum(lines) AS bought FROM of_user GROUP BY ALL) w USING (user_id, facet)),
        rounded AS (SELECT *, {digits.format("affinity")} AS digits FROM liked)
        SELECT r.user_id || '/' || facet || '/' || name AS place, r.* EXCLUDE (digits),
               lines / nullif(bought, 0) AS share,
               (SELECT (count_if(o.digits < r.digits) + count_if(o.digits = r.digits) / 2) / count(*) FROM rounded o
                WHERE o.facet = r.facet AND o.name = r.name) AS percentile,
               row_number() OVER (PARTITION BY user_id, facet ORDER BY affinity DESC, lines DESC, looks DESC, name)
                   AS rank,
               CASE WHEN days_bought >= 3 THEN typical END AS interval_days,
               CASE WHEN days_bought >= 3 THEN variation END AS interval_variation,
               CASE WHEN days_bought >= 4 AND variation <= 0.3 THEN last_bought + round(typical)::INTEGER END AS due_on
        FROM rounded r LEFT JOIN gaps USING (user_id, facet, name)
        QUALIFY rank <= {most}
    """)
    return _by(found, ("place",))


def found_tastes(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, dict[str, Any]]:
    """Rows of ``features.user_categories`` by ``user/facet/name``."""
    return _by(con.sql(f"SELECT user_id || '/' || facet || '/' || name AS place, * FROM {table}"), ("place",))


def found_items(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, dict[str, Any]]:
    """Rows of ``features.items`` by item."""
    return _by(con.sql(f"SELECT * FROM {table}"), ("item_id",))


def of_a_lake(shelf: Any, as_of: date, *, levels: int, prior: float, most: int) -> tuple[list[str], list[str]]:
    """Where the items, and the tastes, of the only run in a lake are not what the events in it say."""
    con = duckdb.connect()
    con.register("events", shelf.read(EVENTS).toArrow())
    con.register("items", catalogue_at(shelf.read(ITEMS), as_of).toArrow())
    con.register("users", shelf.read(USER_FEATURES, "NOT is_suspect").select("user_id").toArrow())
    con.register("found_items", shelf.read(ITEM_FEATURES).toArrow())
    con.register("found_tastes", shelf.read(USER_CATEGORIES).toArrow())
    tastes = of_tastes(con, as_of, levels=levels, prior=prior, most=most)
    return (
        differences(found_items(con, "found_items"), of_items(con, as_of), [*SHOWN, *SAID]),
        differences(found_tastes(con, "found_tastes"), tastes, LIKED),
    )


def _by(found: duckdb.DuckDBPyRelation, key: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    by_key = {"/".join(row[name] for name in key): row for row in rows}
    assert len(by_key) == len(rows), "two rows of one key"
    return by_key
