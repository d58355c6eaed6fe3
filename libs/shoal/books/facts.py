"""What was settled once for the whole lake: ``ops.lake``."""

from collections.abc import Mapping, Sequence

from shoal.errors import LakeError
from shoal.lake import Lake
from shoal.tables import LAKE, SCHEMA_VERSION, Table

_UPGRADED = "upgraded"


def known(lake: Lake) -> dict[str, str]:
    """Value by name of each settled fact: schema_version, time_zone, currency, tile_buckets, session_gap_minutes."""
    return {row["name"]: row["value"] for row in lake.read(LAKE).collect()}


def settle(lake: Lake, proposals: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Set facts, except those that are settled already.

    Args:
        proposals: name -> value and the reason for it.

    Returns:
        Every fact as it holds now, whoever has set it.
    """
    facts = known(lake)
    new = [
        {"name": name, "value": value, "reason": reason}
        for name, (value, reason) in proposals.items()
        if name not in facts
    ]
    if not new:
        return facts
    lake.merge(LAKE, lake.frame(LAKE, new), update_when=None)
    return known(lake)


def check_schema(lake: Lake) -> None:
    """Refuse a lake of another schema than this Shoal's, without changing it.

    Raises:
        LakeError: the lake was made by a newer Shoal, or by an older one and no job of this one has run on it.
    """
    found = _schema_of(lake)
    if found < SCHEMA_VERSION:
        raise LakeError(
            f"the lake {lake.location} has schema version {found}, this Shoal knows {SCHEMA_VERSION}; "
            "the next job that this Shoal runs on it, such as `shoal pipeline`, brings it there"
        )


def upgrade(lake: Lake, tables: Sequence[Table]) -> None:
    """Give a lake of an older schema the columns that were added since, and the constraints as they are now.

    Nulls are allowed where they were not before.

    Raises:
        LakeError: the lake was made by a newer Shoal.
    """
    if _schema_of(lake) < SCHEMA_VERSION:
        for table in tables:
            if lake.exists(table):
                lake.add_columns(table)
                lake.allow_nulls(table)
                lake.renew_constraints(table)  # they may speak of the new columns
        newer = {"name": "schema_version", "value": str(SCHEMA_VERSION), "reason": _UPGRADED}
        lake.merge(LAKE, lake.frame(LAKE, [newer]))


def was_upgraded(lake: Lake) -> bool:
    """True where an older Shoal has made the lake: what is derived from events may be missing for older ones."""
    said = {row["name"]: row["reason"] for row in lake.read(LAKE).collect()}
    return said.get("schema_version") == _UPGRADED


def _schema_of(lake: Lake) -> int:
    """The lake's schema version; ours where it has none yet."""
    found = int(known(lake).get("schema_version", SCHEMA_VERSION))
    if found > SCHEMA_VERSION:
        raise LakeError(
            f"the lake {lake.location} has schema version {found}, this Shoal knows {SCHEMA_VERSION}; "
            "install the Shoal that wrote it or a newer one"
        )
    return found
