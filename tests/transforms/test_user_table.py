"""A marketer sees every user once, in the same group of comparison for ever."""

import hashlib
from datetime import date
from math import sqrt

import pytest
from pyspark.sql import functions as F

from shoal.tables import GOLD_USERS, PROPENSITIES, SEGMENTS, USER_FEATURES, USERS
from shoal.transforms.user_table import is_held_out, user_table

AS_OF, EARLIER, BEFORE = date(2024, 6, 1), date(2024, 5, 1), date(2024, 5, 31)
SALT = "campaigns"


def features(*users, run_id="r", **values):
    said = {"run_id": run_id, "as_of": AS_OF, "frequency": 1, "is_buyer": True, **values}
    return [{**said, "user_id": user} for user in users]


def member(user, segment_id):
    return {
        "user_id": user, "segmentation": "default", "segment_id": segment_id, "segment_name": f"segment {segment_id}",
    }  # fmt: skip


@pytest.fixture
def table(frame):
    """``gold.users`` by user, which has one row."""

    def build(users, segments=(), propensities=(), known=(), before=(), share=0.1):
        found = user_table(
            frame(USER_FEATURES, *users), frame(SEGMENTS, *segments), frame(PROPENSITIES, *propensities),
            frame(USERS, *known), frame(GOLD_USERS, *before), hold_out_share=share, hold_out_salt=SALT,
        ).collect()  # fmt: skip
        rows = {row.user_id: row for row in found}
        assert len(rows) == len(found), "a user has two rows"
        return rows

    return build


def test_every_user_of_the_run_is_there_with_what_is_known(table):
    users = [*features("ann", "ben"), *features("window", frequency=0, is_buyer=False)]
    chances = [("ann", "buys_90d", 0.75), ("ann", "buys_30d", 0.5), ("window", "buys_30d", 0.25)]
    found = table(
        users,
        segments=[member("ann", 2), member("ben", 1), member("of no run", 1)],
        propensities=[{"user_id": u, "target": target, "probability": p} for u, target, p in chances],
        known=[{"user_id": "ann", "region": "FR"}, {"user_id": "of no run", "region": "DE"}],
    )

    columns = ("segment_id", "segment_name", "segment_since", "probability", "region")
    assert {user: tuple(row[name] for name in columns) for user, row in found.items()} == {
        "ann": (2, "segment 2", AS_OF, {"buys_30d": 0.5, "buys_90d": 0.75}, "FR"),
        "ben": (1, "segment 1", AS_OF, {}, None),
        "window": (None, None, None, {"buys_30d": 0.25}, None),
    }


def test_a_user_is_in_a_segment_since_the_first_of_an_unbroken_row_of_releases(table):
    history = {  # user: segment now, segment and since in the release before
        "stays": (1, 1, EARLIER),
        "moves": (2, 1, EARLIER),
        "new": (1, None, None),
        "leaves": (None, 1, EARLIER),
        "a prospect still": (None, None, None),
    }
    found = table(
        features(*history, "seen first"),
        segments=[*(member(user, now) for user, (now, *_) in history.items() if now), member("seen first", 1)],
        before=[
            {"user_id": user, "as_of": BEFORE, "segment_id": segment, "segment_since": since}
            for user, (_, segment, since) in history.items()
        ],
    )

    assert {user: row.segment_since for user, row in found.items()} == {
        "stays": EARLIER, "moves": AS_OF, "new": AS_OF, "leaves": None, "a prospect still": None, "seen first": AS_OF,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of", "since"), [("default", EARLIER), ("value", AS_OF), (None, EARLIER)], ids=["same", "another", "not told yet"]
)
def test_a_segment_of_another_segmentation_is_another_whatever_its_number(table, of, since):
    before = {"user_id": "ann", "as_of": BEFORE, "segmentation": of, "segment_id": 1, "segment_since": EARLIER}
    row = table(features("ann"), segments=[member("ann", 1)], before=[before])["ann"]

    assert (row.segmentation, row.segment_since) == ("default", since)


def test_a_user_once_held_out_is_held_out_for_ever(table):
    users = [f"u{n}" for n in range(60)]
    held_out = {user: row.hold_out for user, row in table(features(*users)).items()}
    later = table(
        features(*reversed(users[::2]), *(f"new {n}" for n in range(30)), run_id="other", frequency=9),
        segments=[member(user, 1) for user in users],
        before=[{"user_id": user, "hold_out": not out} for user, out in held_out.items()],
    )

    assert {*held_out.values()} == {True, False}
    assert {user: later[user].hold_out for user in users[::2]} == {user: held_out[user] for user in users[::2]}


def test_the_hold_out_is_a_fair_draw_that_every_language_can_repeat(spark):
    n, share = 20_000, 0.1
    drawn = (
        spark.range(n)
        .select(F.concat(F.lit("u"), "id").alias("user_id"))
        .select(
            "user_id",
            is_held_out(share, SALT).alias("ours"),
            is_held_out(2 * share, SALT).alias("larger"),
            is_held_out(share, "other").alias("other"),
            is_held_out(0.0, SALT).alias("nobody"),
            is_held_out(1.0, SALT).alias("everybody"),
        )
        .toPandas()
    )
    four_sigma = 4 * sqrt(n * share * (1 - share))

    def fraction(user):
        """The first 52 bits of the hash."""
        return int(hashlib.sha256(f"{SALT}:{user}".encode()).hexdigest()[:13], 16) / 2**52

    assert [*drawn.ours] == [fraction(user) < share for user in drawn.user_id]
    assert abs(drawn.ours.sum() - n * share) < four_sigma
    assert abs(drawn.other.sum() - n * share) < four_sigma
    assert (drawn.larger >= drawn.ours).all()  # a larger share holds out more, and nobody comes back
    assert not drawn.nobody.any()
    assert drawn.everybody.all()
    # Two salts draw independently: a tenth of a tenth is in both.
    both = share**2
    assert abs((drawn.ours & drawn.other).sum() - n * both) < 4 * sqrt(n * both * (1 - both))


def test_scores_are_those_of_the_features(table):
    scores = {"recency_score": 5, "frequency_score": 4, "monetary_score": 3, "rfm": "543"}
    found = table([*features("ann", **scores), *features("window", frequency=0, is_buyer=False)])

    assert {user: tuple(row[name] for name in scores) for user, row in found.items()} == {
        "ann": (5, 4, 3, "543"), "window": (None, None, None, None),
    }  # fmt: skip
