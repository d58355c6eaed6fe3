"""The only reader and writer of Delta tables.

Every commit, also the one that creates a table, is signed with who wrote and why, is tried again a bounded number of
times after a lost race, and is told to an observer before and after, so that a test can list the commits of a
pipeline and stop it at each.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from shoal.commits import alone, with_retries
from shoal.errors import LakeError, bulleted
from shoal.frames import few_rows, rows_of, sql_text
from shoal.tables import Table

# Readers of every kind open tables of reader version 1: nothing here may raise it.
_PROPERTIES = {
    "delta.enableDeletionVectors": "false",
    "delta.checkpointPolicy": "classic",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
}
_TXN = "spark.databricks.delta.write"  # settings under which a MERGE is done once
_SIGNATURE = "spark.databricks.delta.commitInfo.userMetadata"
_LAST = "spark.databricks.delta.lastCommitVersionInSession"  # Delta writes the version of its last commit there
WHEN_GONE = "VACUUM, or Delta's clean-up of its log, has removed it: bring it back from a backup, or make a new lake"
_ROWS_PER_FILE = 2_000_000  # one changed day rewrites the files that hold it: keep them small enough


def observe(moment: str, operation: str, table: str) -> None:
    """Called "before" and "after" every commit to a table; a test puts its own in place to list or stop them."""


@dataclass(frozen=True)
class Lake:
    """Tables under one folder, or under one catalog and name.

    ``location`` is a folder (``lake``, ``s3a://bucket/lake``) or ``catalog:NAME``: ``catalog:main.shop`` keeps
    ``silver.events`` as ``main.shop_silver.events``.
    """

    spark: SparkSession
    location: str
    stamp: Mapping[str, str] = field(default_factory=dict)  # goes into every commit's userMetadata
    written: dict[str, int] = field(default_factory=dict)  # versions made through this object, by table

    # -- reading -----------------------------------------------------------------------------------------------

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """Rows of a table as declared, now or at a version; no rows where the table was never written.

        Raises:
            LakeError: the version cannot be read any more.
        """
        if not self.exists(table):
            if version is not None:
                raise LakeError(
                    f"{table.name}: version {version} was there, and the table has gone; bring it back from a backup"
                )
            return few_rows(self.spark, table.schema, [])
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        try:
            rows = reader.table(self.name_of(table)) if self.is_in_catalog else reader.load(self.path_of(table))
        except AnalysisException as error:
            if version is None:
                raise
            raise self._gone(table, version, error) from error
        if version is not None:  # it may be older than the schema
            there = {*rows.columns}
            added = [c for c in table.columns if c.name not in there and not c.required]
            rows = rows.withColumns({c.name: F.lit(None).cast(c.type) for c in added})
        return table.select(rows)

    def exists(self, table: Table) -> bool:
        """True once the table was created."""
        if self.is_in_catalog:
            return self.spark.catalog.tableExists(self.name_of(table))
        return DeltaTable.isDeltaTable(self.spark, self.path_of(table))

    def columns_of(self, table: Table) -> list[str]:
        """The columns that a table has, which may be fewer or more than are declared; none where there is no table."""
        return [*self._delta(table).toDF().columns] if self.exists(table) else []

    def version(self, table: Table) -> int | None:
        """Latest version; null where the table does not exist."""
        if not self.exists(table):
            return None
        return int(self._history(table, 1)[0]["version"])

    def last_stamp(self, table: Table, key: str) -> tuple[int, str] | None:
        """Version and value of the newest commit of a table whose stamp names ``key``."""
        if not self.exists(table):
            return None
        for commit in self._history(table, 1000):
            stamp = json.loads(commit["userMetadata"] or "{}")
            if key in stamp:
                return int(commit["version"]), str(stamp[key])
        return None

    # -- writing -----------------------------------------------------------------------------------------------

    def append(self, table: Table, rows: DataFrame, *, once: str, number: int = 1) -> None:
        """Add rows exactly once: a second append with the same ``once`` adds nothing.

        Args:
            once: names this append for ever, such as ``ingest/<batch_id>``.
            number: of writes that follow each other under one name; after a later one an earlier adds nothing.
        """
        arranged = self._arranged(table, rows)

        def write() -> None:
            options = {"txnAppId": once, "txnVersion": str(number)}
            self._save(table, arranged.write.mode("append").options(**options))

        self._commit(table, "append", write)

    def replace(
        self,
        table: Table,
        rows: DataFrame,
        *,
        where: str | None,
        once: str | None = None,
        number: int = 1,
        stamp: Mapping[str, str] | None = None,
    ) -> None:
        """Overwrite the rows that meet ``where`` (SQL; None means all), also when ``rows`` is empty.

        Args:
            where: the slice; no row outside of it may be given.
            once, number: as for :meth:`append`: what was put in place under this name and number is never replaced
                under it, nor by a lower number.
            stamp: goes into this commit's metadata.
        """
        arranged = self._arranged(table, rows)

        def write() -> None:
            writer = arranged.write.mode("overwrite")
            if once is not None:
                writer = writer.options(txnAppId=once, txnVersion=str(number))
            self._save(table, writer if where is None else writer.option("replaceWhere", where))

        self.create(table)  # under the lake's own stamp: what ``stamp`` says holds once the rows are in place
        self._stamped(stamp)._commit(table, "replace", write)

    def merge(
        self,
        table: Table,
        rows: DataFrame,
        *,
        where: str | None = None,
        update_when: str | None = "true",
        update: Sequence[str] | None = None,
        delete_when: str | None = None,
        insert_when: str = "true",
        once: str | None = None,
        number: int = 1,
    ) -> None:
        """Bring rows in by key: ``t`` is the table, ``s`` the new rows in the conditions.

        No row to bring in makes no commit; rows that match but change nothing do, so leave them out.

        Args:
            where: literal condition on ``t`` that bounds which partitions are read.
            update_when: replaces a row of the same key; None never does.
            update: the columns that are replaced; None: all of them.
            delete_when: removes a row of the same key instead.
            insert_when: adds a row whose key is new.
            once, number: as for :meth:`append`; decided by Delta in the commit itself, so that no other writer
                can come between.
        """
        on = " AND ".join([f"t.{name} <=> s.{name}" for name in table.key] + ([f"({where})"] if where else []))
        values: dict[str, str | Column] = {name: f"s.{name}" for name in table.names}

        def write() -> None:
            merge = self._delta(table).alias("t").merge(rows.alias("s"), on)
            if delete_when is not None:
                merge = merge.whenMatchedDelete(condition=delete_when)
            if update_when is not None:
                changed = values if update is None else {name: values[name] for name in update}
                merge = merge.whenMatchedUpdate(condition=update_when, set=changed)
            merge = merge.whenNotMatchedInsert(condition=insert_when, values=values)
            if once is None:
                merge.execute()
                return
            self.spark.conf.set(f"{_TXN}.txnAppId", once)
            self.spark.conf.set(f"{_TXN}.txnVersion", str(number))
            try:
                merge.execute()
            finally:
                self.spark.conf.unset(f"{_TXN}.txnAppId")
                self.spark.conf.unset(f"{_TXN}.txnVersion")

        self._commit(table, "merge", write)

    def create(self, table: Table) -> None:
        """Make an empty table as declared, unless it is there."""
        if self.exists(table):
            return
        observe("before", "create", table.name)
        if self.is_in_catalog:
            database = self.name_of(table).rpartition(".")[0]
            self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {database}")
        creation = DeltaTable.createIfNotExists(self.spark).comment(table.doc)
        creation = (
            creation.tableName(self.name_of(table)) if self.is_in_catalog else creation.location(self.path_of(table))
        )
        for column in table.columns:
            creation = creation.addColumn(column.name, column.type, nullable=not column.required, comment=column.doc)
        for name, condition in table.constraints.items():
            creation = creation.property(f"delta.constraints.{name}", condition)
        for name, value in {**_PROPERTIES, **_statistics(table)}.items():
            creation = creation.property(name, value)
        creation = creation.partitionedBy(*table.partition_by) if table.partition_by else creation
        with self._signed():
            self._among_others(table, lambda: creation.execute())
        observe("after", "create", table.name)

    def add_columns(self, table: Table) -> None:
        """Give a table the declared columns that it lacks; rows that stand keep null in them."""

        def added() -> list[str]:
            there = {*self.columns_of(table)}
            return [
                f"`{c.name}` {c.type.simpleString()} COMMENT {sql_text(c.doc)}"
                for c in table.columns
                if c.name not in there
            ]

        def write() -> None:
            if columns := added():
                self.spark.sql(f"ALTER TABLE {self.name_of(table)} ADD COLUMNS ({', '.join(columns)})")

        if added():
            self._commit(table, "add columns", write)

    def allow_nulls(self, table: Table) -> None:
        """Let columns of a table be null that the declaration does not require, or no more."""

        def strict() -> list[str]:
            optional = {c.name for c in table.columns if not c.required}
            return [field.name for field in self._delta(table).toDF().schema
                    if not field.nullable and field.name in optional]  # fmt: skip

        def write() -> None:
            for name in strict():
                self.spark.sql(f"ALTER TABLE {self.name_of(table)} ALTER COLUMN `{name}` DROP NOT NULL")

        if strict():
            self._commit(table, "allow nulls", write)

    def renew_constraints(self, table: Table) -> None:
        """Put the declared constraints in place of those that a table has; rows that stand must keep new ones.

        Raises:
            LakeError: some do not; the table is as it was.
        """

        def differing() -> list[str]:
            declared = {name: _spaceless(condition) for name, condition in table.constraints.items()}
            held = self._constraints_of(table)
            return [name for name in {**held, **declared} if held.get(name) != declared.get(name)]

        def write() -> None:
            for name in differing():
                alter = f"ALTER TABLE {self.name_of(table)}"
                self.spark.sql(f"{alter} DROP CONSTRAINT IF EXISTS `{name}`")
                if name in table.constraints:
                    self.spark.sql(f"{alter} ADD CONSTRAINT `{name}` CHECK ({table.constraints[name]})")

        if names := differing():
            self._require_kept(table, {name: table.constraints[name] for name in names if name in table.constraints})
            self._commit(table, "renew constraints", write)

    def insert_new(self, table: Table, row: Mapping[str, Any]) -> Row:
        """Add one row unless its key is taken; returns the row that holds the key afterwards.

        The compare-and-set of the lake: of two writers that claim the same key at once, one wins and both
        learn who (two plain appends would both win).
        """
        self.merge(table, self.frame(table, [row]), update_when=None)
        key = [F.col(name) == F.lit(row[name]) for name in table.key]
        held = self.read(table).where(reduce(and_, key)).first()
        assert held is not None, f"{table.name}: an inserted row is not there"
        return held

    def record(self, table: Table, rows: Sequence[Mapping[str, Any]], *, where: str | None = None) -> None:
        """Write a few rows of the books: appended, or in place of those that meet ``where``."""
        few = self.frame(table, rows)

        def write() -> None:
            writer = few.coalesce(1).write
            mode = writer.mode("append") if where is None else writer.mode("overwrite").option("replaceWhere", where)
            self._save(table, mode)

        self._commit(table, "record", write)

    def frame(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
        """A few rows as a DataFrame of the table; names left out are null."""
        return rows_of(self.spark, table, rows)

    # -- the lake as a whole -----------------------------------------------------------------------------------

    def stamped(self, **stamp: str) -> "Lake":
        """The same lake, whose commits also carry ``stamp``."""
        return self._stamped(stamp)

    @property
    def root(self) -> str:
        """The folder itself, absolute and without a slash at its end."""
        if not self.is_on_disk:
            return self.location.rstrip("/")
        return str(Path(re.sub("^file:/*", "/", self.location)).absolute())

    def path_of(self, table: Table) -> str:
        """Folder of a table in a lake that is a folder."""
        return f"{self.root}/{table.name.replace('.', '/')}"

    def name_of(self, table: Table) -> str:
        """Name of a table in SQL."""
        layer, _, name = table.name.partition(".")
        if self.is_in_catalog:
            *catalog, prefix = self.location.removeprefix("catalog:").split(".")
            return ".".join(f"`{part}`" for part in [*catalog, f"{prefix}_{layer}", name])
        return f"delta.`{self.path_of(table)}`"

    @property
    def is_on_disk(self) -> bool:
        """True for a path, also as ``file:/lake``; false for ``s3a://bucket/lake``, ``dbfs:/lake`` and a catalog."""
        return re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:", self.location) is None

    @property
    def is_in_catalog(self) -> bool:
        """True where tables have names in a catalog; false where the lake is a folder."""
        return self.location.startswith("catalog:")

    # -- within ------------------------------------------------------------------------------------------------

    def _gone(self, table: Table, version: int, error: Exception) -> LakeError:
        said = str(error).split("SQLSTATE")[0].strip().splitlines()[0][:200]
        return LakeError(
            f"{table.name} in {self.location} cannot be read any more as it was at version {version}, from which "
            f"what was begun has to go on: {said}; {WHEN_GONE}"
        )

    def _stamped(self, stamp: Mapping[str, str] | None) -> "Lake":
        return replace(self, stamp={**self.stamp, **(stamp or {})})

    def _delta(self, table: Table) -> DeltaTable:
        if self.is_in_catalog:
            return DeltaTable.forName(self.spark, self.name_of(table))
        return DeltaTable.forPath(self.spark, self.path_of(table))

    def _constraints_of(self, table: Table) -> dict[str, str]:
        """The constraints that a table has, by name, without their spaces."""
        detail = self._delta(table).detail().select("properties").first()
        assert detail is not None, "a table has a detail"
        mark = "delta.constraints."
        return {
            name.removeprefix(mark): _spaceless(condition)
            for name, condition in detail["properties"].items()
            if name.startswith(mark)
        }

    def _require_kept(self, table: Table, constraints: Mapping[str, str]) -> None:
        """Refuse constraints that rows of a table break."""
        if not constraints:
            return
        breaks = {name: f"NOT {condition}" for name, condition in constraints.items()}
        counts = [F.count_if(F.expr(broken)).alias(name) for name, broken in breaks.items()]
        found = self._delta(table).toDF().agg(*counts).first()
        assert found is not None, "an aggregate has one row"
        wrong = [
            f"{name}: {found[name]:,} of its rows: SELECT * FROM {self.name_of(table)} WHERE {broken}"
            for name, broken in breaks.items()
            if found[name]
        ]
        if wrong:
            headline = (
                f"{table.name} in {self.location} has rows that break rules of this Shoal; its rules are as they were. "
                "Mend or delete these rows by any means that writes Delta tables, then run the command again:"
            )
            raise LakeError(bulleted(headline, wrong))

    def _history(self, table: Table, limit: int) -> list[Row]:
        return self._delta(table).history(limit).select("version", "operation", "userMetadata").collect()

    def _save(self, table: Table, writer: Any) -> None:
        writer = writer.format("delta").option("maxRecordsPerFile", _ROWS_PER_FILE)
        if self.is_in_catalog:
            writer.saveAsTable(self.name_of(table))
        else:
            writer.save(self.path_of(table))

    def _arranged(self, table: Table, rows: DataFrame) -> DataFrame:
        """Declared columns, gathered by partition and sorted inside files."""
        declared = table.select(rows)
        if table.partition_by and table.partition_by != ("run_id",) and table.partition_by != ("batch_id",):
            declared = declared.hint("rebalance", *(F.col(name) for name in table.partition_by))
        if table.sort_by:
            declared = declared.sortWithinPartitions(*table.partition_by, *table.sort_by)
        return declared

    def _commit(self, table: Table, operation: str, write: Callable[[], None]) -> None:
        """Do one commit, again after a lost race, and note the table's version afterwards."""
        self.create(table)
        observe("before", operation, table.name)
        self.spark.conf.unset(_LAST)
        with self._signed():
            self._among_others(table, write)
        made = self.spark.conf.get(_LAST, None)
        version = self.version(table) if made is None else int(made)  # what was done before makes no commit
        if version is not None:
            self.written[table.name] = version
        observe("after", operation, table.name)

    @contextlib.contextmanager
    def _signed(self) -> Iterator[None]:
        """What commits meanwhile carries the stamp."""
        self.spark.conf.set(_SIGNATURE, json.dumps(dict(self.stamp)))
        try:
            yield
        finally:
            self.spark.conf.unset(_SIGNATURE)

    def _among_others(self, table: Table, write: Callable[[], object]) -> None:
        """Do one commit where other processes may want the same."""
        with alone(self.root, table.name) if self.is_on_disk else contextlib.nullcontext():
            with_retries(table.name, write)


def _spaceless(condition: str) -> str:
    """A condition as it can be compared: ALTER TABLE puts spaces of its own between the words."""
    return "".join(condition.split())


def _statistics(table: Table) -> dict[str, str]:
    """No least and greatest values of personal columns in the log, where an erasure would not reach them."""
    return {"delta.dataSkippingStatsColumns": ",".join(table.statistics_columns)}
