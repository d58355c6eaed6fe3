"""A click log with prices, brands and sessions: what each line becomes, and the published part line by line."""

from datetime import datetime
from decimal import Decimal

import duckdb
import pytest

from shoal.sources import FEEDS
from shoal.sources.mapping import Shop

STORE = FEEDS["rees46"]
HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
AT = "2019-10-01 00:00:01 UTC"
LINES = (
    f"{AT},view,17200506,2053013559792632471,furniture.living_room.sofa,lenovo,543.10,519107250,566511c2",
    f"{AT},cart,17200506,2053013559792632471,furniture.living_room.sofa,,543.10,519107250,566511c2",
    f"{AT},remove_from_cart,17200506,2053013559792632471,,,543.10,519107250,566511c2",
    f"{AT},purchase,17200506,2053013559792632471,,,543.10,519107250,",
    f"{AT},look,17200506,2053013559792632471,,,dear,519107250,",
)


def test_each_kind_of_line_becomes_an_event(read, judge, tmp_path):
    (tmp_path / "log.csv").write_text("\n".join([HEADER, *LINES]))

    events = judge(read(STORE, tmp_path), STORE, Shop("UTC", "EUR")).orderBy("position").collect()
    view, cart, uncart, purchase, look = events

    assert [e.event_type for e in events] == ["view", "cart", "uncart", "purchase", "look"]
    assert view.event_time == datetime(2019, 10, 1, 0, 0, 1)  # noqa: DTZ001 - as Spark gives it: UTC
    assert (view.user_id, view.session_id, view.item_id) == ("519107250", "566511c2", "17200506")
    assert (view.category, view.brand) == ("furniture/living_room/sofa", "lenovo")
    assert (cart.brand, uncart.category) == (None, None)
    # Shown prices are known, but only a purchase is money: one piece.
    assert {(e.unit_price, e.currency) for e in events[:4]} == {(Decimal("543.1"), "EUR")}
    assert [(e.quantity, e.amount_base) for e in events[:4]] == [(None, None)] * 3 + [(1, Decimal("543.1"))]
    assert purchase.order_id is not None
    assert {e.extra["category_id"] for e in events} == {"2053013559792632471"}
    assert [e.reasons for e in events[:4]] == [[]] * 4
    assert sorted(look.reasons) == ["event_type is one of its allowed values", "price is a number"]


@pytest.fixture(scope="module")
def source(data):
    return data / "rees46_multicategory_part" / "2019-Oct_first17k.csv.gz"


def test_the_published_part_is_read_whole(read, judge, compiled, source):
    """17,434 rows: 17,055 views, 165 carts, 214 purchases, as the source says; five of them come twice."""
    lines = f"SELECT * FROM read_csv('{source}', all_varchar = true)"
    ((alike,),) = duckdb.sql(f"SELECT count(*) FROM (SELECT DISTINCT * FROM ({lines}))").fetchall()
    ((paid,),) = duckdb.sql(
        f"SELECT sum(price::DECIMAL(18, 6)) FROM ({lines}) WHERE event_type = 'purchase'"
    ).fetchall()

    with compiled():
        events = judge(read(STORE, source), STORE).persist()
        counts = {row.event_type: row["count"] for row in events.groupBy("event_type").count().collect()}
        bought = events.where("event_type = 'purchase'").selectExpr("sum(quantity * unit_price) AS paid").first()
        bad, ids = events.where("size(reasons) > 0").count(), events.select("event_id").distinct().count()
        places = events.agg({"position": "min"}).first(), events.agg({"position": "max"}).first()
        events.unpersist()

    assert counts == {"view": 17_055, "cart": 165, "purchase": 214}
    assert bad == 0
    assert ids == alike == 17_434 - 5
    assert bought.paid == paid
    assert [place[0] for place in places] == [2, 17_435]  # the header is line 1
