"""Columns that mean the same wherever they stand."""

from pyspark.sql.types import DateType

from shoal.tables.table import Column, text

RUN = text("run_id", "run that computed it", required=True)
AS_OF = Column("as_of", DateType(), "first shop-local day that was not seen", required=True)
USER = text("user_id", "the shop's own id of the account", required=True, personal=True)
