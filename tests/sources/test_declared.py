"""A feed declared as data: what it makes, and what is said of one that contradicts itself."""

import json
from datetime import UTC, datetime

import pytest
import yaml

from shoal.books.feeds import check_sql
from shoal.config.feed_files import feed_given
from shoal.errors import ConfigError
from shoal.frames import rows_of
from shoal.sources.declared import feed_of
from shoal.sources.mapping import Shop, candidate_events
from shoal.tables import Rule

CLICKS = {
    "feed": "clicks",
    "columns": {"at": "time", "kind": None, "who": {"from": "User Id"}, "what": "text", "price": "decimal"},
    "events": {"event_type": "kind", "event_time": "at", "user_id": "who", "item_id": "what"},
}


@pytest.fixture
def declared(tmp_path):
    """``declared(key=value, ...)``: the feed of a file with these keys in place of those of ``CLICKS``."""

    def read(**changes):
        path = tmp_path / "clicks.yaml"
        path.write_text(yaml.safe_dump({**CLICKS, **changes}, sort_keys=False))
        return feed_given(str(path))

    return read


def events(**changes):
    return {**CLICKS["events"], **changes}


def test_a_declaration_is_the_same_feed_when_the_lake_gives_it_back(declared):
    feed = declared(currency="EUR", natural_key=["at", "who"], rules={"a price is set": "unit_price IS NOT NULL"},
                    events=events(event_type={"from": "kind", "values": {"v": "view"}, "otherwise": None}))  # fmt: skip

    assert feed_of(feed.definition) == feed
    assert feed.version == feed_of(feed.definition).version


def test_short_and_long_forms_are_one_version_and_another_mapping_is_another(declared):
    long = {"at": {"form": "time"}, "kind": {}, "who": {"from": "User Id"}, "what": {"form": "text"},
            "price": {"form": "decimal"}}  # fmt: skip

    assert declared(columns=long).version == declared().version
    assert declared(events=events(item_id="kind")).version != declared().version


def test_a_rule_in_full_says_what_plain_sql_leaves_to_the_default(declared):
    plain = declared(rules={"who is set": "user_id IS NOT NULL"})
    spelled = declared(rules={"who is set": {"condition": "user_id IS NOT NULL"}})
    full = declared(rules={"who is set": {"condition": "user_id IS NOT NULL", "policy": "warn", "mostly": 0.5,
                                          "severity": "info", "owner": "Ann", "reason": "we ask"}})  # fmt: skip

    assert spelled == plain
    assert json.loads(plain.definition)["rules"] == {"who is set": "user_id IS NOT NULL"}
    assert plain.rules == (Rule("who is set", "user_id IS NOT NULL"),)
    assert full.rules == (Rule("who is set", "user_id IS NOT NULL", "warn", "info", 0.5, "Ann", "we ask"),)
    assert feed_of(full.definition) == full
    assert full.reading == plain.reading


def test_a_mended_ignore_judges_what_was_read_and_reads_nothing_anew(declared):
    feed, mended = declared(ignore="kind = 'page'"), declared(ignore="kind = 'ping'")

    assert (feed.ignored, mended.ignored) == ("kind = 'page'", "kind = 'ping'")
    assert feed.version != mended.version
    assert feed.reading == mended.reading == declared().reading
    assert feed_of(feed.definition) == feed


def test_another_separator_reads_otherwise(declared):
    assert declared(separator=";").separator == ";"
    assert declared(separator=";").reading != declared().reading == declared(separator=",").reading


def test_without_an_id_or_a_key_every_column_tells_events_apart(declared):
    assert declared().natural_key == ("at", "kind", "who", "what", "price")


WRONG = {
    "columns.Art. Nr: is no plain name; choose another": {"columns": {**CLICKS["columns"], "Art. Nr": "text"}},
    "columns.raw: is a name that Shoal keeps for itself": {"columns": {**CLICKS["columns"], "raw": "text"}},
    "columns.what.formats: only a time has formats": {"columns": {**CLICKS["columns"], "what": {"formats": ["y"]}}},
    "columns: two names differ in case only": {"columns": {**CLICKS["columns"], "AT": "time"}},
    'columns.what: must be text, integer, decimal or time, got "number"': {
        "columns": {**CLICKS["columns"], "what": "number"}
    },
    "natural_key: whom is no column; there are at, kind": {"natural_key": ["whom"]},
    "events.event_time: is missing": {"events": {"event_type": "kind"}},
    "events.event_time: kind must have the form time": {"events": events(event_time="kind")},
    "events.user: is no column of an event": {"events": events(user="who")},
    "events.event_id: is no column of an event that a feed can fill; is given apart": {"events": events(event_id="x")},
    "events.user_id: whom is no column": {"events": events(user_id="whom")},
    "events.user_id: needs one of from": {"events": events(user_id={"from": "who", "value": "x"})},
    "events.user_id: needs one of from (a column), value": {"events": events(user_id={})},
    "events.user_id: values, with otherwise": {"events": events(user_id={"from": "who", "otherwise": "x"})},
    'events.quantity.value: "one" is no int': {"events": events(quantity={"value": "one"})},
    "events.event_type: buy is no event type": {"events": events(event_type={"value": "buy"})},
    "events.user_id: uuid says something else each time": {"events": events(user_id={"sql": "uuid()"})},
    "rules.new: current_date says something else each time": {"rules": {"new": "event_date < current_date()"}},
    "rules.rating >= 0: every feed has a rule of that name": {"rules": {"rating >= 0": "rating >= 0"}},
    "events.user_id: needs one of from (a column), value (a constant) and sql": {
        "events": events(user_id={"from": None})
    },
    "events.quantity.value: 99999999999 is no int": {"events": events(quantity={"value": 99_999_999_999})},
    "events.user_id: unix_timestamp says": {"events": events(user_id={"sql": "unix_timestamp() - 1"})},
    "events.user_id: date 'today' says": {"events": events(user_id={"sql": "date 'today'"})},
    "events.user_id: may speak of its own row only": {"events": events(user_id={"sql": "(SELECT max(x) FROM t)"})},
    "columns.currency: says the currency of unit_price, and nothing reads it": {
        "columns": {**CLICKS["columns"], "currency": "text"},
        "events": events(unit_price="price"),
    },
    "ignore: rand says something else each time": {"ignore": "rand() < 0.5"},
    "rules.new.mostly: must be at most 1": {"rules": {"new": {"condition": "item_id = 'x'", "mostly": 2}}},
    "rules.new.condition: is missing": {"rules": {"new": {"policy": "warn"}}},
    "rules.new: current_date says something else": {"rules": {"new": {"condition": "event_date < current_date()"}}},
    "separator: must be": {"separator": ":"},
    "feed: shoal is a feed that is part of Shoal": {"feed": "shoal"},
    "feed: must be text that matches": {"feed": "My Clicks"},
    "time_zone: unknown time zone 'Berlin'": {"time_zone": "Berlin"},
    "currency: must be three capital letters such as EUR": {"currency": "euro"},
    "colums: unknown setting; did you mean columns?": {"colums": {}},
    "events.user_id.form: unknown setting; did you mean from?": {"events": events(user_id={"form": "who"})},
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_wrong_is_said_with_its_place(declared, said):
    with pytest.raises(ConfigError) as refused:
        declared(**WRONG[said])

    assert f"\n  {said}" in str(refused.value)


def test_all_that_contradicts_itself_is_said_together(declared):
    with pytest.raises(ConfigError) as refused:
        declared(natural_key=["whom"], events=events(user="who", quantity={"value": "one"}), feed="shoal")

    assert len(str(refused.value).splitlines()) == 1 + 4


@pytest.mark.parametrize("text", ["", "just text", "feed: [", "feed: a\nfeed: b", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)

    with pytest.raises(ConfigError, match=r"x\.yaml"):
        feed_given(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize("sql", ["CASE WHEN kind = 'buy now' THEN who END", "concat(who, 'uuid')", "`kind`"])
def test_words_in_quotes_are_no_functions(declared, sql):
    assert declared(events=events(user_id={"sql": sql})).mapping["user_id"] == f"try_cast(({sql}) AS string)"


SQL = {
    "events.user_id: [UNRESOLVED_COLUMN": {"events": events(user_id={"sql": "whom"})},
    "events.user_id: [PARSE_SYNTAX_ERROR": {"events": events(user_id={"sql": "concat(who"})},
    "events.user_id: [UNRESOLVED_ROUTINE": {"events": events(user_id={"sql": "clean(who)"})},
    "events.user_id: [INVALID_WHERE_CONDITION": {"events": events(user_id={"sql": "max(who)"})},
    "events.user_id: [UNSUPPORTED_GENERATOR": {"events": events(user_id={"sql": "explode(split(who, ','))"})},
    "events.user_id: [DECIMAL_PRECISION": {"events": events(user_id={"sql": "CAST(who AS DECIMAL(40, 2))"})},
    "columns.at.formats: DD.MM.YYYY is no pattern; days are dd and years yyyy": {
        "columns": {**CLICKS["columns"], "at": {"form": "time", "formats": ["DD.MM.YYYY"]}}
    },
    "rules: two expectations are named 'price is a number'; choose another name": {
        "rules": {"price is a number": "unit_price > 0"}
    },
    "event_id: [UNRESOLVED_COLUMN": {"event_id": "id"},
    "ignore: [UNRESOLVED_COLUMN": {"ignore": "event_type = 'page'"},
    "ignore: [DATATYPE_MISMATCH": {"ignore": "concat(kind, what)"},
    "rules.cheap: [UNRESOLVED_COLUMN": {"rules": {"cheap": "cost < 3"}},
    "rules.known: [UNRESOLVED_COLUMN": {"rules": {"known": "who <> 'nobody'"}},  # raw.who, as it came
    "rules.cheap: [DATATYPE_MISMATCH": {"rules": {"cheap": "unit_price + 1"}},
}


def test_zone_and_currency_stand_for_the_feeds_in_an_id_too(spark, declared):
    feed = declared(event_id="concat(who, $zone)", time_zone="Europe/Rome")
    check_sql(spark, feed)
    row = {"at": "2025-03-01T10:00:00Z", "kind": "view", "who": "u1", "what": "i1", "source_file": "f", "position": 1,
           "batch_id": "b", "delivered_at": datetime(2025, 4, 1, tzinfo=UTC)}  # fmt: skip

    events = candidate_events(rows_of(spark, feed.table, [row]), feed, Shop("UTC", None), duplicate_lines="keep")

    assert events.first().event_id == "u1Europe/Rome"


@pytest.mark.parametrize("said", SQL)
def test_sql_that_cannot_be_used_is_said_before_a_row_is_read(spark, declared, said):
    with pytest.raises(ConfigError) as refused:
        check_sql(spark, declared(**SQL[said]))

    assert f"\n  {said}" in str(refused.value)
