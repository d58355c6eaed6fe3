"""UCI Online Retail: the invoice lines of a British gift shop."""

from shoal.sources.feed import Feed, RawColumn, time_of
from shoal.tables import Rule

_CODE = "upper(trim(StockCode))"

ONLINE_RETAIL = Feed(
    name="online_retail",
    doc="UCI Online Retail: invoice lines with cancellations, CSV or Parquet",
    columns=(
        RawColumn("InvoiceNo", "text", "invoice; begins with C if it cancels one"),
        RawColumn("StockCode", "text", "article, or a code for shipping, fees and the like"),
        RawColumn("Description", "text", "title of the article"),
        RawColumn("Quantity", "integer", "pieces, negative on a cancellation"),
        RawColumn("InvoiceDate", "time", "London time, no zone", time_formats=("M/d/yyyy H:mm", "yyyy-MM-dd HH:mm")),
        RawColumn("UnitPrice", "decimal", "pounds per piece"),
        RawColumn("CustomerID", "integer", "customer; empty for a guest"),
        RawColumn("Country", "text", "country of the customer"),
    ),
    mapping={
        "event_type": """CASE WHEN trim(InvoiceNo) RLIKE '^[Cc]' THEN 'return'
                              WHEN trim(InvoiceNo) RLIKE '^[0-9]' THEN 'purchase' END""",
        "event_time": f"to_utc_timestamp({time_of('InvoiceDate')}, $zone)",
        "user_id": "trim(CustomerID)",
        "item_id": "trim(StockCode)",
        "item_title": "nullif(trim(Description), '')",
        "quantity": """CASE WHEN trim(InvoiceNo) RLIKE '^[Cc]' THEN try_subtract(0, try_cast(Quantity AS INT))
                            ELSE try_cast(Quantity AS INT) END""",
        "unit_price": "try_cast(UnitPrice AS DECIMAL(18, 6))",
        "currency": "$currency",
        "line_kind": f"""CASE WHEN {_CODE} IN ('POST', 'DOT', 'C2') THEN 'shipping'
                              WHEN {_CODE} IN ('BANK CHARGES', 'AMAZONFEE', 'CRUK') THEN 'fee'
                              WHEN {_CODE} = 'D' THEN 'discount'
                              WHEN {_CODE} IN ('M', 'B') THEN 'adjustment'
                              WHEN {_CODE} = 'S' THEN 'sample'
                              WHEN {_CODE} LIKE 'GIFT\\\\_%' THEN 'voucher'
                              ELSE 'goods' END""",
        "order_id": "trim(InvoiceNo)",
        "region": "trim(Country)",
    },
    natural_key=(
        "InvoiceNo",
        "StockCode",
        "Description",
        "Quantity",
        "InvoiceDate",
        "UnitPrice",
        "CustomerID",
        "Country",
    ),
    repeats_are_real=True,  # an invoice may list an article twice
    time_zone="Europe/London",
    currency="GBP",
    rules=(
        Rule("the invoice is a plain or a cancelling one", "trim(raw.InvoiceNo) RLIKE '^[Cc]?[0-9]'"),
        Rule("UnitPrice > 0", "unit_price > 0"),
        Rule("Quantity is set", "raw.Quantity IS NOT NULL"),
        Rule("UnitPrice is set", "raw.UnitPrice IS NOT NULL"),
        Rule("Quantity fits", "quantity IS NOT NULL OR try_cast(raw.Quantity AS BIGINT) IS NULL"),
    ),
)
