"""What tiles are built by is settled once for a lake."""

from types import SimpleNamespace

from shoal.books import facts
from shoal.config import load_config
from shoal.features import tiling


def test_what_the_lake_was_made_with_holds_and_other_settings_are_told(monkeypatch):
    made_with = {"tile_buckets": "4", "session_gap_minutes": "20", "time_zone": "UTC"}
    proposed, said = {}, []
    monkeypatch.setattr(facts, "settle", lambda _, proposals: proposed.update(proposals) or made_with)
    config = load_config(sets=["features.tile_buckets=4", "features.session_gap_minutes=45"])

    assert tiling._settled(None, config, SimpleNamespace(warn=said.append)) == made_with
    assert {name: value for name, (value, _) in proposed.items()} == {"tile_buckets": "4", "session_gap_minutes": "45"}
    assert said == ["features.session_gap_minutes=45 has no effect: the tiles of this lake are made with 20"]
