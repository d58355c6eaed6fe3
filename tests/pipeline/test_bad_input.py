"""Every kind of bad row and bad file through whole stages: the book balances, and what is refused leaves no trace."""

import os
from random import Random

import pytest
from bad_files import BAD_INPUTS, VIEWS
from bad_rows import BAD_FILES, DELIVERED

from shoal.errors import ShoalError
from shoal.tables import BATCHES, EVENTS, REJECTED_EVENTS, SILVER

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("currency", "files"),
    [
        ("GBP", [bad for bad in BAD_FILES if bad.currency == "GBP"]),
        ("EUR", [bad for bad in BAD_FILES if bad.currency != "GBP"]),
    ],
    ids=["pounds", "euros"],
)
def test_every_kind_of_bad_row_is_set_aside_with_its_reasons(shelf, tmp_path, currency, files):
    for bad in files:
        (tmp_path / bad.name).write_bytes(bad.content)
        os.utime(tmp_path / bad.name, (DELIVERED.timestamp(), DELIVERED.timestamp()))
    settings = ("validate.max_rejected_share=1", f"shop.currency={currency}", "shop.time_zone=UTC")

    shelf.run(*((bad.feed, tmp_path / bad.name) for bad in files), until="validate", sets=settings)

    aside = {(row.source_file, row.position): {*row.reasons} for row in shelf.read(REJECTED_EVENTS).collect()}
    expected = {
        (str(tmp_path / bad.name), n + (1 if bad.header is None else 2)): {*row.reasons}
        for bad in files for n, row in enumerate(bad.rows) if row.reasons
    }  # fmt: skip
    assert aside == expected
    book = {batch.files[0].path: batch for batch in shelf.read(BATCHES).collect()}
    for bad in files:
        batch = book[str(tmp_path / bad.name)]
        counts = (batch.rows_in, batch.rows_accepted, batch.rows_rejected, batch.rows_duplicate, batch.rows_ignored)
        assert counts == (len(bad.rows), len(bad.rows) - len(bad.bad), len(bad.bad), 0, 0), bad.name
    assert shelf.read(EVENTS).count() == sum(len(bad.rows) - len(bad.bad) for bad in files)


def test_no_kind_of_bad_file_leaves_a_trace_or_keeps_a_good_one_out(shelf, tmp_path):
    good = tmp_path / "good.jsonl"
    good.write_text(VIEWS)
    shelf.run(("shoal", good), until="validate")
    before = {table.name: shelf.lake.version(table) for table in SILVER}
    seen = Random(1).sample([bad for bad in BAD_INPUTS if not bad.is_read and not bad.needs_user], 15)

    wrong = {}
    for number, bad in enumerate([*seen, *(bad for bad in BAD_INPUTS if bad.is_read)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        given = bad.write(folder)
        with pytest.raises(ShoalError) as caught:
            shelf.run((bad.feed, given), until="validate")
        if caught.value.exit_code != bad.code or bad.says not in str(caught.value):
            wrong[bad.what] = str(caught.value)

    assert not wrong
    assert {table.name: shelf.lake.version(table) for table in SILVER} == before
    book = shelf.read(BATCHES).collect()
    assert {batch.state for batch in book} == {"validated", "refused"}
    assert all(batch.message and batch.rows_in is None for batch in book if batch.state == "refused")
    good.write_text(VIEWS.replace('"i', '"j'))
    shelf.run(("shoal", good), until="validate")
    assert shelf.read(EVENTS).count() == 6
