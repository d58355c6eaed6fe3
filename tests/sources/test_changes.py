"""Feeds of items, users and categories: what each row says, of whom and from when on."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import yaml

from shoal.books.feeds import check_sql
from shoal.config.feed_files import feed_given
from shoal.errors import ConfigError
from shoal.sources import FEEDS
from shoal.sources.declared import feed_of
from shoal.sources.mapping import Shop, main_currency
from shoal.sources.template import NAMES, template

DELIVERED = datetime(2025, 4, 1, tzinfo=UTC)
SHOP = Shop("Europe/Berlin", "EUR")
ITEMS, USERS = FEEDS["shoal_items"], FEEDS["shoal_users"]


def row(position: int = 2, **values):
    """A row of bronze."""
    return {"extra": {}, "source_file": "a.csv", "position": position, "batch_id": "b1", "delivered_at": DELIVERED,
            **values}  # fmt: skip


def test_an_item_is_what_its_row_says_and_nothing_else(frame, judge):
    rows = [
        row(2, item_id=" mug ", changed_at="2025-03-01T23:30:00Z", price="5", stock="-2", recommendable="false"),
        row(3, item_id="mug", changed_at="2025-03-02T12:00:00", currency="eur", cost="2.5", title="Mug"),
        row(4, item_id="jug"),
    ]
    first, second, third = judge(frame(ITEMS.table, *rows), ITEMS, SHOP).orderBy("position").collect()

    assert [r.reasons for r in (first, second, third)] == [[], [], []]
    assert (first.item_id, first.price, first.currency, first.stock, first.recommendable, first.title) == (
        "mug", Decimal(5), "EUR", -2, False, None,
    )  # fmt: skip
    assert str(first.changed_date) == "2025-03-02", "Berlin is an hour ahead"
    assert (second.currency, second.cost, second.recommendable, second.is_deleted) == (
        "EUR",
        Decimal("2.5"),
        None,
        None,
    )
    assert third.changed_at == DELIVERED.replace(tzinfo=None), "without a time it is as it was delivered"


def test_what_cannot_be_read_is_rejected_and_never_taken_as_not_said(frame, judge):
    bad = {
        "item_id is set": {"item_id": None},
        "changed_at is a time": {"changed_at": "yesterday"},
        "price is a number": {"price": "cheap"},
        "price >= 0": {"price": "-1"},
        "stock fits": {"stock": str(2**40)},
        "recommendable is true or false": {"recommendable": "maybe"},
        "is_deleted is true or false": {"is_deleted": "perhaps"},
        "currency is the shop's": {"price": "1", "currency": "USD"},
    }
    rows = [row(2 + n, **{"item_id": "mug", **said}) for n, said in enumerate(bad.values())]
    found = judge(frame(ITEMS.table, *rows), ITEMS, SHOP).orderBy("position").collect()

    assert [({*r.reasons} - {"changed_at is set"}) for r in found] == [{name} for name in bad]
    assert len({r.change_id for r in found if r.item_id and r.changed_at}) == 1, "all of one item and moment"


def test_versions_of_a_change_share_its_id_and_nothing_else_does(frame, judge):
    said = {"item_id": "mug", "changed_at": "2025-03-01T10:00:00Z"}
    rows = [
        row(2, **said, title="Mug"),
        row(3, **said, title="Blue mug", updated_at="2025-03-02T10:00:00Z"),
        row(4, **{**said, "changed_at": "2025-03-01T10:00:00"}, title="Mug"),  # UTC all the same
        row(5, **{**said, "item_id": "jug"}, title="Mug"),
        row(6, **{**said, "changed_at": "2025-03-01T10:00:01Z"}, title="Mug"),
    ]
    first, mended, again, *others = judge(frame(ITEMS.table, *rows), ITEMS, SHOP).orderBy("position").collect()

    assert first.change_id == mended.change_id == again.change_id
    assert first.content_hash == again.content_hash != mended.content_hash
    assert len({r.change_id for r in (first, *others)}) == 3


CONSENTS = {
    '{"profiling": false, "marketing/email": "yes", "marketing/sms": null}': {
        "profiling": False, "marketing/email": True,
    },
    '{"profiling": "unsure"}': "consents are true or false",
    '{"profiling": {"web": false}}': "consents are true or false",
    "profiling": "consents are a JSON object",
    '{"Profil": true}': "consents are named by purpose or purpose/channel",
    '{"a": true, "a": false}': "each consent is said once",
}  # fmt: skip


def test_no_consent_gets_lost(frame, judge):
    rows = [row(2 + n, user_id="ann", consents=said) for n, said in enumerate(CONSENTS)]
    found = judge(frame(USERS.table, *rows), USERS, SHOP).orderBy("position").collect()

    assert [r.reasons or r.consents for r in found] == [
        [meant] if isinstance(meant, str) else meant for meant in CONSENTS.values()
    ]


@pytest.mark.parametrize(
    ("band", "is_good"),
    [("1980-1989", True), ("1984-1988", True), ("1984-1984", False), ("1984-05-01", False), ("40s", False)],
)
def test_a_band_of_years_is_no_birthday(frame, judge, band, is_good):
    (found,) = judge(frame(USERS.table, row(user_id="ann", birth_year_band=band)), USERS, SHOP).collect()

    assert found.reasons == ([] if is_good else ["birth_year_band spans 5 years or more, like 1980-1989"])


def test_nobody_is_told_of_from_the_future_but_prices_may_be_announced(frame, judge):
    later = "2025-05-01T00:00:00Z"
    (user,) = judge(frame(USERS.table, row(user_id="ann", changed_at=later)), USERS, SHOP).collect()
    (item,) = judge(frame(ITEMS.table, row(item_id="mug", changed_at=later, price="1")), ITEMS, SHOP).collect()

    assert (user.reasons, item.reasons) == (["changed_at is not after delivered_at"], [])


def test_money_is_looked_for_where_there_is_some(frame):
    assert main_currency(frame(ITEMS.table, row(item_id="mug", price="1", currency="SEK")), ITEMS) == "SEK"
    assert main_currency(frame(USERS.table, row(user_id="ann")), USERS) is None


@pytest.mark.parametrize("name", NAMES)
def test_every_template_is_good(stored, judge, tmp_path, name):
    (tmp_path / "example.jsonl").write_text(template(name))
    found = judge(stored(FEEDS[name], tmp_path), FEEDS[name], SHOP).collect()

    assert found
    assert [r.reasons for r in found] == [[]] * len(found)


def test_properties_of_retailrocket_are_parts_of_one_item(stored, judge, tmp_path):
    at = 1_435_460_400_000
    (tmp_path / "item_properties_part1.csv").write_text(
        "timestamp,itemid,property,value\n"
        f"{at},460429,categoryid,1338\n{at},460429,available,0\n"
        f"{at},460429,888,1116713 960601 n277.200\n{at},460429,available,maybe\n{at},460429,,5\n"
    )
    feed = FEEDS["retailrocket_items"]
    category, available, hashed, wrong, nameless = judge(stored(feed, tmp_path), feed).orderBy("position").collect()

    assert (category.category_id, category.recommendable, category.extra) == ("1338", None, {})
    assert (available.category_id, available.recommendable) == (None, False)
    assert hashed.extra == {"property": "888", "value": "1116713 960601 n277.200"}
    assert len({category.change_id, available.change_id, hashed.change_id}) == 3
    assert available.change_id == wrong.change_id
    assert (wrong.reasons, nameless.reasons) == (["available is 0 or 1"], ["property is set"])


# -- feeds of one's own ------------------------------------------------------------------------------------------

CRM = {
    "feed": "crm",
    "of": "users",
    "columns": {"who": None, "since": "time", "agreed": None, "mail": None, "gone": None, "json": None},
    "users": {
        "user_id": "who", "changed_at": "since", "is_deleted": "gone",
        "consents": {"sql": "map('profiling', agreed = 'yes', 'marketing/email', mail = '1')"},
    },
}  # fmt: skip


@pytest.fixture
def declared(tmp_path):
    def read(**changes):
        (tmp_path / "crm.yaml").write_text(yaml.safe_dump({**CRM, **changes}, sort_keys=False))
        return feed_given(str(tmp_path / "crm.yaml"))

    return read


def test_a_feed_of_users_is_declared_like_one_of_events(spark, frame, judge, declared):
    feed = declared()
    check_sql(spark, feed)
    rows = [
        row(2, who="ann", since="2025-03-01T10:00:00Z", agreed="no", mail="1"),
        row(3, who="ben", since="2025-03-01T10:00:00Z", agreed="yes", gone="x"),
        row(4, who="cat", agreed="yes"),
    ]
    ann, ben, cat = judge(frame(feed.table, *rows), feed, SHOP).orderBy("position").collect()

    assert (ann.reasons, ann.consents) == ([], {"profiling": False, "marketing/email": True})
    assert (ben.reasons, ben.consents) == (["is_deleted is true or false"], {"profiling": True})
    assert cat.reasons == ["changed_at is set"], "the feed has times, this row has none"
    assert feed_of(feed.definition) == feed


def test_consents_may_come_as_json(spark, frame, judge, declared):
    feed = declared(users={"user_id": "who", "consents": "json"})
    check_sql(spark, feed)
    rows = [row(2, who="ann", json='{"profiling": false}'), row(3, who="ann", json='{"profiling": "?"}')]
    good, bad = judge(frame(feed.table, *rows), feed, SHOP).orderBy("position").collect()

    assert (good.reasons, good.consents) == ([], {"profiling": False})
    assert bad.reasons == ["consents are true or false"]
    assert good.changed_at == DELIVERED.replace(tzinfo=None)


WRONG = {
    "users.user_id: is missing; every change of a user needs it": {"users": {"region": "who"}},
    "users.item_id: is no column of a change of a user that a feed can fill": {
        "users": {**CRM["users"], "item_id": "who"}
    },
    "events: this feed tells of users; say `of: events`": {"events": {"event_type": "who"}},
    "event_id: only events have ids of their own; a change is told by its user_id and time": {"event_id": "who"},
    "repeats_are_real: only of events": {"repeats_are_real": True},
    "users.consents.values: a value cannot become consents": {
        "users": {**CRM["users"], "consents": {"from": "agreed", "values": {"yes": "x"}}}
    },
    "users.birth_year_band.value: 1980 is no string": {"users": {**CRM["users"], "birth_year_band": {"value": 1980}}},
    "rules.each consent is said once: every feed has a rule of that name": {
        "rules": {"each consent is said once": "true"}
    },
    'of: must be events, items, users or categories, got "people"': {"of": "people"},
}  # fmt: skip


@pytest.mark.parametrize("said", WRONG)
def test_what_is_wrong_is_said_with_its_place(declared, said):
    with pytest.raises(ConfigError) as refused:
        declared(**WRONG[said])

    assert f"\n  {said}" in str(refused.value)
