"""When a user comes: days of the week and of the year, taken as directions on a circle.

On a circle Sunday lies beside Monday. Each act is an arrow of length 1 towards its time; their sum points to the
typical time, and its length per act says how concentrated they are: 1 if all fall together, 0 if there is no typical
time (Mardia and Jupp, Directional Statistics, 2000, section 2.2). Arrows are summed as decimals, so that no order of
addition can change a sum.
"""

from pyspark.sql.types import DoubleType

from shoal.tables.feature import Feature, Relation

_NOWHERE = 1e-6  # a shorter mean arrow points nowhere


def _arrows(name: str, over: Relation, turns: str, times: str) -> list[Feature]:
    """The steps ``_name_x``, ``_name_y`` and ``_name_n``.

    Args:
        turns: SQL of a time as a share of the whole circle.
        times: SQL of how many acts have this time.
    """
    many = f"CAST({times} AS DECIMAL(12, 0))"
    return [
        *(
            Feature(f"_{name}_{axis}", None, over,
                    f"sum(CAST({function}(2 * pi() * {turns}) AS DECIMAL(13, 12)) * {many})")
            for axis, function in {"x": "cos", "y": "sin"}.items()
        ),
        Feature(f"_{name}_n", None, over, f"sum({times})"),
    ]  # fmt: skip


def directions(
    typical: str, concentration: str, steps: str, period: int, *, what: str, unit: str, null: str
) -> list[Feature]:
    """The typical time and how concentrated times are.

    Args:
        steps: name under which the arrows were summed.
        period: of the circle, in ``unit``.
    """
    x, y = f"CAST(_{steps}_x AS DOUBLE)", f"CAST(_{steps}_y AS DOUBLE)"
    length = f"sqrt({x} * {x} + {y} * {y}) / _{steps}_n"
    angle = f"pmod(atan2({y}, {x}) / (2 * pi()) * {period}, {period})"
    return [
        Feature(concentration, DoubleType(), "user", f"CASE WHEN _{steps}_n > 0 THEN least(1D, {length}) END",
                f"how concentrated {what} are: 1 all at one time, 0 none in particular", "share", null, low=0, high=1),
        Feature(typical, DoubleType(), "user", f"CASE WHEN {concentration} > {_NOWHERE} THEN {angle} END",
                f"around which time {what} fall, as the mean direction on a circle", unit,
                f"{null}, or where they have no typical time", low=0, high=period),
    ]  # fmt: skip


RHYTHM = [
    *_arrows("weekday", "days", "weekday(event_date) / 7", "events"),
    *directions("typical_weekday", "weekday_concentration", "weekday", 7, what="events in the week",
                unit="days since Monday's beginning of the week, 0 is Monday, 6 Sunday, 7 Monday again",
                null="never for who acted"),
    Feature("_hour_x", None, "days", "sum(hour_x)"),
    Feature("_hour_y", None, "days", "sum(hour_y)"),
    Feature("_hour_n", None, "days", "sum(timed_acts)"),
    *directions("typical_hour", "hour_concentration", "hour", 24, what="looks and purchases in the day",
                unit="hours since midnight of the shop's clocks", null="without one whose time is known"),
    Feature("weekend_share", DoubleType(), "days",
            "coalesce(try_divide(sum(events) FILTER (WHERE weekday(event_date) >= 5), sum(events)), 0D)",
            "share of the events that fall on a Saturday or Sunday", "share", low=0, high=1),
    *_arrows("season", "orders", "(dayofyear(event_date) - 1) / 366", "orders"),
    *directions("order_season_day", "order_season_concentration", "season", 366, what="orders in the year",
                unit="days since New Year", null="if never bought"),
]  # fmt: skip
