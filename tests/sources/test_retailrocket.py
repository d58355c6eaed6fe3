"""A click log without prices: what each line becomes."""

from datetime import datetime, timedelta

import pytest

from shoal.sources import FEEDS

CLICKS = FEEDS["retailrocket"]
FULL = "timestamp,visitorid,event,itemid,transactionid"
AT = 1_433_221_332_117  # milliseconds since 1970
LINES = (
    f"{AT},257597,view,355908,",
    f"{AT + 1},257597,addtocart,355908,",
    f"{AT + 2},257597,transaction,355908,4000",
    f"{AT + 3},257597,like,355908,",
    f"{AT},257597,view,355908,",  # the log holds some rows twice
)


@pytest.fixture
def events(read, judge, tmp_path):
    """The events of the same log as ``full.csv``, and with another column as ``dated.csv``."""
    (tmp_path / "full.csv").write_text("\n".join([FULL, *LINES]))
    (tmp_path / "dated.csv").write_text(
        "\n".join([f"datetime,{FULL}", *(f"02/06/2015 05:02,{line}" for line in LINES)])
    )
    events = judge(read(CLICKS, tmp_path), CLICKS).orderBy("position").collect()
    return {name: [e for e in events if e.source_file.endswith(name)] for name in ("full.csv", "dated.csv")}


def test_clicks_are_typed_and_have_no_money(events):
    view, cart, transaction, like, _ = events["full.csv"]

    assert [e.event_type for e in (view, cart, transaction, like)] == ["view", "cart", "purchase", "like"]
    assert view.event_time == datetime(1970, 1, 1) + timedelta(milliseconds=AT)  # noqa: DTZ001 - as Spark gives it: UTC
    assert {(e.user_id, e.visitor_id, e.item_id) for e in events["full.csv"]} == {("257597", None, "355908")}
    assert [(e.order_id, e.line_kind) for e in (view, cart, transaction)] == [(None, None)] * 2 + [("4000", "goods")]
    # Unknown is not zero.
    money = {(e.quantity, e.unit_price, e.amount_base, e.currency) for e in events["full.csv"]}
    assert money == {(None, None, None, None)}
    assert [e.reasons for e in (view, cart, transaction)] == [[]] * 3
    assert like.reasons == ["event_type is one of its allowed values"]


def test_a_line_twice_is_one_event_with_and_without_the_date_for_people(events):
    full, dated = ([(e.event_id, e.content_hash) for e in events[name]] for name in ("full.csv", "dated.csv"))

    assert full[0] == full[4]
    assert len(set(full)) == len(LINES) - 1
    assert dated == full
    assert not any(e.raw.extra for e in events["dated.csv"])


def test_a_log_of_views_may_lack_the_transactions(read, judge, tmp_path):
    (tmp_path / "views.csv").write_text(f"timestamp,visitorid,event,itemid\n{AT},257597,view,355908\n")
    (tmp_path / "whole.csv").write_text("\n".join([FULL, LINES[0]]))

    views, whole = judge(read(CLICKS, tmp_path), CLICKS).collect()

    assert views.reasons == []
    assert (views.event_id, views.content_hash) == (whole.event_id, whole.content_hash)
