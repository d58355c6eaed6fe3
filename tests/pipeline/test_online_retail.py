"""Online Retail, whole: counts that the literature and plain SQL know."""

import re
from collections import Counter, defaultdict
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import item_oracle
import polars as pl
import pytest
from deltalake import DeltaTable
from feature_oracle import of_a_lake
from pyspark.sql import Row

from shoal.reports.querying import query_lake
from shoal.tables import (
    BATCHES,
    CURRENT,
    EVENTS,
    FEATURE_DRIFT,
    GOLD,
    GOLD_USERS,
    ITEM_FEATURES,
    ITEMS,
    LIMITS,
    ORDERS,
    RECOMMENDATIONS,
    REJECTED_EVENTS,
    RELEASES,
    RETURN_LINKS,
    RUNS,
    USER_CATEGORIES,
    USER_FEATURES,
    USER_ITEM_DAYS,
)

pytestmark = pytest.mark.long

AS_OF = date(2011, 12, 10)
PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text()


@pytest.fixture(scope="module")
def source(data):
    return data / "online_retail" / "online_retail.parquet"


@pytest.fixture(scope="module")
def run(source, compiled):
    """The pipeline on the whole file."""

    def pipeline(shelf):
        with compiled():
            shelf.run(("online_retail", source), as_of=AS_OF, sets=())

    return pipeline


@pytest.fixture(scope="module")
def retail(shelf_at, run, tmp_path_factory):
    shelf = shelf_at(tmp_path_factory.mktemp("retail") / "lake")
    run(shelf)
    return shelf


@pytest.fixture(scope="module")
def lines(source):
    """The file itself, judged by plain SQL in another engine: the oracle of these tests."""
    con = duckdb.connect()
    con.execute(f"""CREATE VIEW lines AS SELECT *, InvoiceNo LIKE 'C%' AS cancels,
                    InvoiceNo NOT LIKE 'C%' AND InvoiceNo NOT LIKE 'A%' AS plain FROM read_parquet('{source}')""")
    return lambda sql: con.sql(sql).fetchall()


def one(frame, *expressions):
    return tuple(frame.selectExpr(*expressions).first())


def test_every_line_is_accounted_for(retail):
    (batch,) = retail.read(BATCHES).collect()

    assert batch.rows_in == 541_909
    assert (batch.rows_accepted, batch.rows_rejected, batch.rows_duplicate) == (541_909 - 2_518, 2_518, 0)


def test_purchases_and_returns_are_those_of_the_literature(retail):
    """397,884 lines, 4,338 customers, 18,532 invoices, 8,911,407.904 pounds after the usual cleaning."""
    known = retail.read(EVENTS, "event_type = 'purchase' AND user_id IS NOT NULL")

    assert one(known, "count(*)", "count(DISTINCT user_id)", "count(DISTINCT order_id)", "sum(amount_base)") == (
        397_884, 4_338, 18_532, Decimal("8911407.904000"),
    )  # fmt: skip
    returns = retail.read(EVENTS, "event_type = 'return' AND user_id IS NOT NULL")
    everyone = retail.read(EVENTS, "user_id IS NOT NULL")
    assert one(returns, "count(*)") == (8_905,)
    assert one(everyone, "count(DISTINCT user_id)") == (4_371,)


def test_guests_count_for_revenue_and_not_as_users(retail):
    guests = retail.read(EVENTS, "user_id IS NULL")

    assert one(guests.where("event_type = 'purchase'"), "count(*)", "sum(amount_base)") == (
        132_219, Decimal("1744214.580000"),
    )  # fmt: skip
    assert one(guests.where("event_type = 'return'"), "count(*)") == (383,)
    assert retail.read(USER_FEATURES).count() == 4_371


def test_rejected_lines_say_every_rule_they_broke(retail, lines):
    """2,515 lines at price 0, of which 1,336 have no positive quantity either; three A-invoices."""
    rejected = retail.read(REJECTED_EVENTS)
    free, both = "array_contains(reasons, 'UnitPrice > 0')", "array_contains(reasons, 'quantity >= 1')"
    oracle = lines("""SELECT count(*), count(*) FILTER (Quantity <= 0) FROM lines WHERE UnitPrice = 0""")

    assert oracle == [(2_515, 1_336)]
    at_zero = rejected.where("get_json_object(raw, '$.UnitPrice') = '0'")
    assert (at_zero.where(free).count(), at_zero.where(f"{free} AND {both}").count()) == oracle[0]
    odd = rejected.where("array_contains(reasons, 'the invoice is a plain or a cancelling one')")
    assert odd.count() == 3
    assert rejected.count() == 2_518


def test_money_per_customer_agrees_with_plain_sql(retail, lines):
    """Customer 12346 bought for 77,183.60 pounds and gave all of it back twelve minutes later."""
    oracle = lines("""
        SELECT CustomerID::VARCHAR, count(DISTINCT InvoiceNo) FILTER (plain),
               coalesce(sum(Quantity * UnitPrice::DECIMAL(18, 6)) FILTER (plain), 0),
               coalesce(-sum(Quantity * UnitPrice::DECIMAL(18, 6)) FILTER (cancels), 0)
        FROM lines WHERE UnitPrice > 0 AND CustomerID IS NOT NULL AND (cancels OR plain) GROUP BY 1""")
    rows = retail.read(USER_FEATURES).selectExpr(
        "user_id", "frequency", "coalesce(spend, 0)", "coalesce(returned, 0)"
    ).collect()  # fmt: skip

    assert {tuple(row) for row in rows} == {(u.removesuffix(".0"), n, s, r) for u, n, s, r in oracle}
    (customer,) = retail.read(USER_FEATURES, "user_id = '12346'").collect()
    assert (customer.spend, customer.net_spend) == (Decimal("77183.600000"), Decimal("0.000000"))


def test_every_feature_is_what_another_engine_finds_in_the_events(retail):
    assert of_a_lake(retail, AS_OF, "Europe/London") == []
    buyers = retail.read(USER_FEATURES, "is_buyer")
    assert one(buyers, "count(*)", "sum(frequency)", "sum(spend)") == (4_338, 18_532, Decimal("8911407.904000"))


def test_every_item_is_what_another_engine_finds_in_the_events(retail):
    """Its feed tells of no categories and brands, so nobody likes one more than others do."""
    assert item_oracle.of_a_lake(retail, AS_OF, levels=1, prior=5.0, most=10) == ([], [])
    assert retail.read(USER_CATEGORIES).isEmpty()
    sold = retail.read(ITEM_FEATURES, "buyers > 0")
    assert one(sold, "sum(purchases)") == one(retail.read(USER_FEATURES), "sum(purchases)")


def test_scores_have_the_edges_of_the_first_of_december(retail, lines):
    """Fifths of the customers of before that day, by days since the last invoice and by the number of invoices."""
    oracle = lines("""
        WITH buyers AS (
            SELECT CustomerID, DATE '2011-12-01' - max(InvoiceDate)::DATE AS recency_days,
                   count(DISTINCT InvoiceNo) AS frequency
            FROM lines
            WHERE plain AND UnitPrice > 0 AND CustomerID IS NOT NULL AND InvoiceDate < DATE '2011-12-01' GROUP BY 1)
        SELECT quantile_cont(recency_days::DOUBLE, [0.2, 0.4, 0.6, 0.8]), quantile_cont(frequency::DOUBLE,
               [0.2, 0.4, 0.6, 0.8]), count(*) FROM buyers""")
    rows = {row.measure: row for row in retail.read(LIMITS, "scope = 'buyer'").collect()}

    assert (rows["recency_days"].edges, rows["frequency"].edges, rows["frequency"].observed) == (
        pytest.approx(oracle[0][0]), pytest.approx(oracle[0][1]), oracle[0][2],
    )  # fmt: skip
    scored = retail.read(GOLD_USERS, "frequency > 0")
    assert scored.where("rfm IS NULL OR rfm NOT RLIKE '^[1-5]{3}$'").isEmpty()
    wanted = f"1 + size(filter(array{tuple(oracle[0][1])}, edge -> frequency > edge))"
    assert scored.where(f"frequency_score <> {wanted}").isEmpty()


def test_purchases_beyond_the_usual_are_those_that_another_engine_finds(retail, lines):
    """80,995 and 74,215 pieces, sent back within minutes, and few others: large customers are customers."""
    three_digits = "round({0} / pow(10, floor(log10({0})) - 2)) * pow(10, floor(log10({0})) - 2)"
    # What a customer bought of an article on a day; learned from the 365 days before as_of, on a log scale.
    values = f"""
        WITH bought AS (
            SELECT CustomerID::BIGINT::VARCHAR AS user_id, StockCode AS item_id, InvoiceDate::DATE AS day,
                   sum(Quantity)::DOUBLE AS pieces, (sum(Quantity * UnitPrice) / sum(Quantity))::DOUBLE AS price
            FROM lines WHERE plain AND CustomerID IS NOT NULL AND UnitPrice > 0 AND Quantity > 0
              AND StockCode NOT IN ('POST', 'DOT', 'C2', 'BANK CHARGES', 'AMAZONFEE', 'CRUK', 'D', 'M', 'm', 'B', 'S')
              AND StockCode NOT ILIKE 'gift\\_0001%' ESCAPE '\\'
            GROUP BY ALL),
        long AS (
            SELECT *, ln({three_digits.format("value")}) AS log, day >= DATE '{AS_OF}' - 365 AS learns
            FROM (UNPIVOT bought ON pieces, price INTO NAME measure VALUE value))"""
    limits = """,
        middles AS (SELECT measure, item_id, count(*) AS n, median(log) AS middle FROM long WHERE learns GROUP BY ALL),
        own AS (
            SELECT measure, item_id, any_value(n) AS n, any_value(middle) AS middle, median(abs(log - middle)) AS mad
            FROM long JOIN middles USING (measure, item_id) WHERE learns GROUP BY ALL HAVING any_value(n) >= 20),
        usual AS (
            SELECT measure, median(mad) AS mad FROM long JOIN own USING (measure, item_id) WHERE learns GROUP BY 1),
        shop_middle AS (SELECT measure, median(log) AS middle FROM long WHERE learns GROUP BY 1),
        shop AS (
            SELECT measure, any_value(middle) AS middle, median(abs(log - middle)) AS mad
            FROM long JOIN shop_middle USING (measure) WHERE learns GROUP BY 1),
        judged AS (
            SELECT long.*, own.mad IS NOT NULL AS is_own, ln(value) - coalesce(own.middle, shop.middle) AS off,
                   if(own.mad IS NULL, shop.mad, greatest(own.mad, usual.mad)) AS spread,
                   greatest(6 * 1.4826 * spread, ln(9)) AS width
            FROM long JOIN shop USING (measure) JOIN usual USING (measure) LEFT JOIN own USING (measure, item_id))
        SELECT DISTINCT user_id, item_id, day::VARCHAR FROM judged
        WHERE (off > width OR measure = 'price' AND off < -width) AND (measure = 'pieces' OR is_own)"""
    oracle = lines(values + limits)
    rows = retail.read(USER_FEATURES, "extreme_purchases > 0").select("user_id", "extreme_purchases").collect()

    assert {("16446", "23843", "2011-12-09"), ("12346", "23166", "2011-01-18")} <= {*oracle}
    assert {row.user_id: row.extreme_purchases for row in rows} == Counter(user for user, *_ in oracle)
    assert len(oracle) == 14  # of 383,923
    assert retail.read(USER_FEATURES, "is_suspect").isEmpty()  # 14911 has 5,677 lines, and is a customer


def test_the_page_on_results_finds_the_extreme_purchases(retail):
    (sql,) = [sql for sql in re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL) if "at_most" in sql]
    first, second, *_ = [*query_lake(retail.lake, sql.strip(), "csv")][1:]

    assert [row.split(",")[:4] for row in (first, second)] == [
        ["16446", "23843", "2011-12-09", "80995"], ["12346", "23166", "2011-01-18", "74215"],
    ]  # fmt: skip


def test_returns_take_back_the_customers_latest_purchases(retail):
    """Cancelling invoices name no purchase: a customer's returns take from the top of what lies there of the item.

    1,335 of the 8,905 find nothing: 948 are of items that the customer never bought in these months, 358 of items
    bought only later.
    """
    lines = retail.read(EVENTS, "event_type IN ('purchase', 'return') AND user_id IS NOT NULL").selectExpr(
        "event_id", "user_id", "item_id", "event_type = 'return' AS is_return", "quantity", "event_time"
    ).toPandas()  # fmt: skip
    stacks, expected = defaultdict(list), []
    for line in lines.sort_values(["event_time", "is_return", "event_id"]).itertuples():
        stack, wanted = stacks[line.user_id, line.item_id], line.quantity
        if not line.is_return:
            stack.append([line.event_id, line.quantity])
            continue
        while wanted and stack:
            taken = min(wanted, stack[-1][1])
            expected.append((line.event_id, stack[-1][0], taken, "latest"))
            wanted, stack[-1][1] = wanted - taken, stack[-1][1] - taken
            if not stack[-1][1]:
                stack.pop()
    links = retail.read(RETURN_LINKS).select("return_event_id", "purchase_event_id", "pieces", "how")

    assert sorted(map(tuple, links.collect())) == sorted(expected)
    assert len({link[0] for link in expected}) == 8_905 - 1_335
    of_12346 = links.join(
        retail.read(EVENTS, "user_id = '12346' AND event_type = 'return'").selectExpr("event_id AS return_event_id"),
        on="return_event_id",
        how="inner",
    )
    assert [row.pieces for row in of_12346.collect()] == [74_215]


def test_the_shop_day_is_londons(retail):
    """31 March 2011 is in British Summer Time: a line of 00:30 there is of the day before in UTC. The file's first
    line is of 08:26 on 1 December, winter, when London is UTC."""
    first, last = one(retail.read(EVENTS), "min(event_time)", "max(event_time)")

    assert str(first) == "2010-12-01 08:26:00"
    assert str(last) == "2011-12-09 12:50:00"
    summer = retail.read(EVENTS, "event_date = DATE '2011-07-04'")
    hours = one(summer, "min(hour(from_utc_timestamp(event_time, 'Europe/London')) - hour(event_time))")
    assert hours == (1,)


def test_only_goods_are_recommended(retail):
    postage = ("POST", "DOT", "M", "C2", "BANK CHARGES", "AMAZONFEE", "S", "D", "CRUK")
    kinds = {r.item_id: r.recommendable for r in retail.read(ITEMS, f"item_id IN {postage}").collect()}

    assert kinds
    assert not any(kinds.values())
    offered = retail.read(RECOMMENDATIONS).select("item_id").distinct()
    goods = retail.read(ITEMS, "recommendable").select("item_id")
    assert offered.join(goods, on="item_id", how="left_anti").count() == 0


def test_every_active_user_gets_exactly_ten(retail):
    lists = retail.read(RECOMMENDATIONS, "list_name = 'for_you'")
    sizes = lists.groupBy("user_id").count().select("count").distinct().collect()
    active = retail.read(USER_FEATURES, "recency_event_days <= 180").count()

    assert [row["count"] for row in sizes] == [10]
    assert lists.select("user_id").distinct().count() == active


def test_what_to_buy_again_is_what_was_bought_as_far_as_there_is_any(retail):
    own = retail.read(USER_ITEM_DAYS, "purchases > 0").select("user_id", "item_id").distinct()
    again = retail.read(RECOMMENDATIONS, "list_name = 'buy_again'")

    assert not again.isEmpty()
    assert again.join(own, on=["user_id", "item_id"], how="left_anti").isEmpty()
    assert again.where("NOT reason RLIKE '^bought (once, on|on [0-9]+ days, last on) 20'").isEmpty()


def test_a_second_run_changes_nothing_but_the_book_of_runs(retail, run):
    tables = [BATCHES, EVENTS, ORDERS, USER_FEATURES, FEATURE_DRIFT, *CURRENT, RELEASES]
    before = {table.name: retail.lake.version(table) for table in tables}
    runs = retail.read(RUNS).count()

    run(retail)

    assert {table.name: retail.lake.version(table) for table in tables} == before
    outcomes = [row.outcome for row in retail.read(RUNS).orderBy("started_at").collect()]
    assert outcomes[runs:] == ["nothing new"] * 7


@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.name)
def test_other_readers_see_the_same_rows(retail, table):
    """Every value of every column, also decimals, times, maps and arrays."""
    path, names = retail.lake.path_of(table), [*table.names]
    ours = same([tuple(row) for row in retail.read(table).collect()])
    dataset = DeltaTable(path).to_pyarrow_dataset()
    duck = duckdb.connect()
    duck.register("published", dataset)

    assert ours
    assert same([tuple(row.values()) for row in dataset.to_table(names).to_pylist()]) == ours
    assert same(duck.sql(f"SELECT {', '.join(names)} FROM published").fetchall()) == ours
    assert same(pl.scan_delta(path).select(names).collect().rows()) == ours


def same(value):
    """A value as every reader gives it: lists without order, a map as its pairs, a struct by its names."""
    match value:
        case Row():
            return same(value.asDict())
        case {"key": key, "value": held}:  # so Polars shows an entry of a map
            return (same(key), same(held))
        case dict():
            return sorted(((name, same(held)) for name, held in value.items()), key=repr)
        case list():
            return sorted(map(same, value), key=repr)
        case tuple():
            return tuple(map(same, value))
        case datetime():
            return value.replace(tzinfo=None).isoformat()
        case _:
            return value


def test_users_agree_with_features(retail):
    (row,) = retail.read(GOLD_USERS, "user_id = '12346'").collect()

    assert (row.gross_spend, row.net_spend) == (Decimal("77183.600000"), Decimal("0.000000"))
    assert row.frequency == 1
