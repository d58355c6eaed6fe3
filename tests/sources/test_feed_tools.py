"""`shoal feed`: what people who write a feed see."""

import contextlib
import gzip
import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from shoal.books import batches, facts
from shoal.cli import shoal_command
from shoal.lake import Lake
from shoal.sources import FEEDS
from shoal.sources.listing import SourceFile
from shoal.tables import SCHEMA_VERSION


@pytest.fixture
def shoal(spark, tmp_path, monkeypatch):
    """``shoal(argument, ...)`` runs a command on the tests' own session, which outlives it."""

    @contextlib.contextmanager
    def opened_lake(config, name, arguments, progress):
        yield Lake(spark, config.lake)

    monkeypatch.setattr("shoal.running.job.opened_lake", opened_lake)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(shoal_command, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def check(shoal, tmp_path):
    """``check(path, ...)`` runs `shoal feed check`."""
    return lambda path, *more: shoal("feed", "check", path, *more, "--lake", tmp_path / "lake")


def view(number: int, **values):
    return {"event_type": "view", "event_time": "2025-03-01T10:00:00Z", "item_id": f"item-{number:02}", **values}


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_every_feed_is_listed_with_what_it_is(shoal):
    listed = shoal("feed", "list")

    assert listed.exit_code == 0
    assert [line.split(maxsplit=1) for line in listed.output.splitlines()] == [[f.name, f.doc] for f in FEEDS.values()]


def test_the_template_passes_the_check_and_nothing_is_stored(shoal, check, tmp_path):
    example = tmp_path / "example.jsonl"
    written = shoal("feed", "template", "--out", example)
    printed = shoal("feed", "template")
    checked = check(example)

    assert written.exit_code == printed.exit_code == checked.exit_code == 0, checked.output
    assert printed.output == example.read_text()
    count = len(example.read_text().splitlines())
    assert checked.output.startswith(f"{count} rows = {count} good + 0 bad + 0 duplicates")
    assert "breaks" not in checked.output
    assert not (tmp_path / "lake").exists()


def test_ten_rows_are_shown_and_every_problem_is_counted(check, tmp_path):
    good = [view(number) for number in range(12)]
    bad = [
        view(90, event_type="seen", rating=-1),
        view(91, event_type="looked"),
        view(92, event_time="yesterday"),
        view(93, item_id=None),
    ]
    path = write(tmp_path / "events.jsonl", *good, *bad, good[0], bad[1])

    checked = check(path)

    assert checked.exit_code == 3
    assert checked.output.startswith("18 rows = 12 good + 4 bad + 2 duplicates")
    table = checked.output.partition(" break")[0]
    shown = [row["item_id"] for row in [*good, *bad] if row["item_id"] and row["item_id"] in table]
    assert shown == [row["item_id"] for row in good[:10]]
    lines = checked.output.splitlines()
    problems = {line: lines[at + 1].strip() for at, line in enumerate(lines) if " break" in line}
    first = {row: f"first in {path}, row {13 + at}: " for at, row in enumerate(["seen", "looked", "time", "item"])}
    seen = '"event_type":"seen","event_time":"2025-03-01T10:00:00Z","item_id":"item-90"'
    time = f'{first["time"]}{{"event_time":"yesterday","event_type":"view","item_id":"item-92"}}'
    # The most frequent first, then by name; with the line where each is met first, what the rule speaks of before all.
    assert problems == {
        "3 rows break: event_type is one of its allowed values": f'{first["seen"]}{{{seen},"rating":"-1"}}',
        "1 row breaks: event_time is a time": time,
        "1 row breaks: event_time is set": time,
        "1 row breaks: item_id is set for what is done to an item":
            f'{first["item"]}{{"event_type":"view","event_time":"2025-03-01T10:00:00Z"}}',
        "1 row breaks: rating >= 0": f'{first["seen"]}{{"rating":"-1",{seen}}}',
    }  # fmt: skip
    assert next(iter(problems)).startswith("3 rows")


def test_rows_that_are_no_events_are_counted_apart_and_break_no_rule(check, tmp_path):
    mapping = tmp_path / "clicks.yaml"
    mapping.write_text("""
        feed: clicks
        ignore: event_type = 'page'
        columns: {event_type: text, event_time: time, item_id: {optional: true}}
        events: {event_type: event_type, event_time: event_time, item_id: item_id}
    """)
    page = view(0, event_type="page", item_id=None)
    some = write(tmp_path / "some.jsonl", view(1), page, page, view(1))
    none = write(tmp_path / "none.jsonl", page)

    of_some, of_none = check(some, "--mapping", mapping), check(none, "--mapping", mapping)

    assert of_some.output.startswith("4 rows = 1 good + 0 bad + 1 duplicates + 2 ignored; of the good ones:")
    assert of_none.output == "1 rows = 0 good + 0 bad + 0 duplicates + 1 ignored\n"
    assert of_some.exit_code == of_none.exit_code == 0


@pytest.mark.parametrize(
    ("repeats_are_real", "balance", "said"),
    [
        ("false", "4 rows = 3 good + 0 bad + 1 duplicates", "1 row says something else than another row with the same "
         "receipt, article: "),
        ("true", "4 rows = 4 good + 0 bad + 0 duplicates", ""),
    ],
)  # fmt: skip
def test_a_natural_key_that_is_too_narrow_is_told(check, tmp_path, repeats_are_real, balance, said):
    mapping, till = tmp_path / "till.yaml", tmp_path / "till.csv"
    mapping.write_text(f"""
        feed: till
        currency: EUR
        separator: ";"
        decimal_comma: true
        repeats_are_real: {repeats_are_real}
        columns: {{receipt: text, at: time, article: text, price: decimal}}
        natural_key: [receipt, article]
        events: {{event_type: {{value: purchase}}, event_time: at, item_id: article, unit_price: price}}
    """)
    lines = ["R1;2025-03-01T10:00:00Z;mug;1.007,50", *["R1;2025-03-01T10:00:00Z;mug;6,5"] * 2,
             "R1;2025-03-01T10:00:00Z;cup;9"]  # fmt: skip
    till.write_text("\n".join(["receipt;at;article;price", *lines]) + "\n")

    checked = check(till, "--mapping", mapping)

    assert checked.exit_code == 0, checked.output
    assert checked.output.startswith(balance)
    assert ("only the strongest counts" in checked.output) == bool(said)
    assert said in checked.output
    assert all(price in checked.output for price in ("1,007.50", "6.50", "9.00"))

    line = {"receipt": "R1", "at": "2025-03-01T10:00:00Z", "article": "mug", "price": 1.234}
    of_json = check(write(tmp_path / "till.jsonl", line), "--mapping", mapping)
    assert "1.234" in of_json.output, "numbers of JSON have points"
    assert "1,234" not in of_json.output


def test_rules_that_reject_nothing_are_told_and_leave_the_file_good(check, tmp_path):
    mapping = tmp_path / "clicks.yaml"
    mapping.write_text("""
        feed: clicks
        columns: {event_type: text, event_time: time, item_id: text}
        events: {event_type: event_type, event_time: event_time, item_id: item_id}
        rules: {most are views: {condition: event_type = 'view', policy: stop, mostly: 0.8}}
    """)

    checked = check(write(tmp_path / "some.jsonl", view(1), view(2), view(3, event_type="cart")), "--mapping", mapping)

    assert checked.exit_code == 0
    assert checked.output.endswith(
        "\n1 of 3 accepted rows break: most are views (policy stop; 0.8 of them must keep it)\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("nowhere.csv", None, 2, "nowhere.csv does not exist"),
        ("empty.csv", "", 3, "empty.csv: is empty"),
        ("short.csv", "event_type,item_id\n", 3, "short.csv: lacks event_time; it has event_type, item_id"),
        ("header.csv", "event_type,event_time\n", 3, "header.csv has no rows below its header"),
        ("no.parquet", "text", 3, "no.parquet: cannot be read as parquet"),
    ],
)
def test_what_cannot_be_checked_is_refused_with_its_exit_code(check, tmp_path, name, content, code, said):
    if content is not None:
        (tmp_path / name).write_text(content)

    checked = check(tmp_path / name)

    assert checked.exit_code == code
    assert said in checked.stderr
    assert checked.stdout == ""


def test_a_file_is_judged_by_the_settings_and_by_what_the_lake_has_settled(spark, check, tmp_path):
    path = write(tmp_path / "e.jsonl", view(1, event_type="purchase", unit_price=5, quantity=1, currency="USD"))
    assert check(path).exit_code == 0

    assert "1 row breaks: currency is the shop's" in " ".join(check(path, "--set", "shop.currency=EUR").output.split())
    facts.settle(Lake(spark, str(tmp_path / "lake")), {"currency": ("EUR", "test")})
    assert check(path).exit_code == 3
    assert "shop.currency: the lake" in check(path, "--set", "shop.currency=USD").stderr


def test_a_template_needs_a_folder_to_lie_in(shoal, tmp_path):
    refused = shoal("feed", "template", "--out", tmp_path / "nowhere" / "example.jsonl")

    assert refused.exit_code == 2
    assert "cannot be written: no folder" in refused.stderr


def test_a_file_that_breaks_off_is_refused_too(check, tmp_path):
    whole = "timestamp,visitorid,event,itemid\n" + "".join(f"{at},1,view,{at * 7919 % 10007}\n" for at in range(9000))
    (tmp_path / "clicks.csv.gz").write_bytes(gzip.compress(whole.encode())[:-100])

    checked = check(tmp_path / "clicks.csv.gz", "--feed", "retailrocket")

    assert checked.exit_code == 3
    assert "clicks.csv.gz cannot be read as retailrocket" in checked.stderr


def test_a_feed_that_is_not_there_is_a_wrong_setting(check, tmp_path):
    checked = check(tmp_path, "--feed", "retail")

    assert checked.exit_code == 2
    assert "unknown feed 'retail'" in checked.stderr


def test_how_a_feed_has_changed_is_shown(spark, shoal, tmp_path):
    feed, lake = FEEDS["shoal"], Lake(spark, str(tmp_path / "lake"))
    facts.settle(lake, {"schema_version": (str(SCHEMA_VERSION), "made by this version")})
    file = SourceFile("/landing/a.csv", "csv", 10, datetime(2025, 3, 1, tzinfo=UTC), "hash")
    batches.plan(lake, feed, [file], datetime(2025, 3, 1, 10, tzinfo=UTC), {"event_type": None, "event_time": None})

    shown = shoal("feed", "drift", "--feed", "shoal", "--lake", lake.location)
    unknown = shoal("feed", "drift", "--feed", "till", "--lake", lake.location)

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[0] == "shoal: 1 batch"
    assert shown.stdout.splitlines()[1].endswith("first: event_type, event_time")
    assert unknown.exit_code == 2
    assert "the feed till has brought nothing to" in unknown.output
