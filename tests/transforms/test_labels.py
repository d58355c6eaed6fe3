"""A label says what came on and after the cut, within the horizon, and nothing else."""

from datetime import date, timedelta

from shoal.tables import USER_DAYS, USER_FEATURES
from shoal.transforms.labels import with_label

CUT, H, ACTIVE = date(2024, 6, 1), 30, 365


def labels(features, days):
    """Label by user; a user has one row."""
    rows = with_label(features, days, cut=CUT, horizon_days=H, active_days=ACTIVE).collect()
    found = {row.user_id: row.label for row in rows}
    assert len(found) == len(rows)
    return found


def seen(user, days_ago=1):
    return {"user_id": user, "as_of": CUT, "recency_event_days": days_ago}


def day(user, days_after, orders=1):
    return {"user_id": user, "event_date": CUT + timedelta(days=days_after), "orders": orders}


def test_who_begins_an_order_within_the_horizon_is_labelled(frame):
    days_after = {-1: 0.0, 0: 1.0, H - 1: 1.0, H: 0.0}
    features = frame(USER_FEATURES, *map(seen, [*map(str, days_after), "often", "only looks", "idle"]))
    days = [day(str(after), after) for after in days_after]
    days += [day("often", 1), day("often", 2), day("only looks", 1, orders=0), day("not seen before", 1)]

    assert labels(features, frame(USER_DAYS, *days)) == {
        **{str(after): label for after, label in days_after.items()}, "often": 1.0, "only looks": 0.0, "idle": 0.0,
    }  # fmt: skip


def test_who_is_merged_within_the_horizon_and_buys_has_bought_under_either_account(frame, spark):
    features = frame(USER_FEATURES, *map(seen, ["old", "new", "older", "idle", "ann"]))
    days = frame(USER_DAYS, day("new", 3), day("ann", 2))  # as they are told at the horizon's end
    merges = [("old", "new"), ("older", "ann"), ("idle", "idler"), ("not seen before", "new")]
    accounts = spark.createDataFrame(merges, "former_user_id string, user_id string")
    rows = with_label(features, days, cut=CUT, horizon_days=H, active_days=ACTIVE, accounts=accounts).collect()

    assert sorted((row.user_id, row.label) for row in rows) == [
        ("ann", 1.0), ("idle", 0.0), ("new", 1.0), ("old", 1.0), ("older", 1.0),
    ]  # fmt: skip


def test_the_inactive_are_left_out_and_what_follows_the_horizon_changes_nothing(frame):
    users = {"yesterday": 1, "a year ago": ACTIVE, "longer ago": ACTIVE + 1}
    features = frame(USER_FEATURES, *(seen(user, ago) for user, ago in users.items()))
    days = [day("yesterday", 3), day("longer ago", 3)]
    later = [day(user, after) for user in users for after in (H, H + 1, 10 * H)]

    assert labels(features, frame(USER_DAYS, *days)) == {"yesterday": 1.0, "a year ago": 0.0}
    assert labels(features, frame(USER_DAYS, *later, *days)) == {"yesterday": 1.0, "a year ago": 0.0}


def test_an_example_is_what_was_known_at_the_cut_and_its_label(frame):
    features = frame(USER_FEATURES, {**seen("u"), "frequency": 3, "order_value": None})
    examples = with_label(features, frame(USER_DAYS), cut=CUT, horizon_days=H, active_days=ACTIVE)

    assert examples.columns == ["user_id", *(name for name in USER_FEATURES.names if name != "user_id"), "label"]
    (row,) = examples.collect()
    assert (row.frequency, row.order_value, row.label) == (3, None, 0.0)
