"""Events of a shop three hours ahead of UTC: one at a time, or many at random."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

Row = dict[str, Any]

SHOP = timedelta(hours=3)


def _event(event_id: str, event_type: str, time: datetime, *, price: Any = None, **values: Any) -> Row:
    """An event of silver; its day is the shop's. A price per piece makes the amount."""
    amount = price and Decimal(price) * (values.get("quantity") or 1)
    is_line = event_type in ("purchase", "return")
    return {
        "event_id": event_id, "event_type": event_type, "event_time": time, "event_date": (time + SHOP).date(),
        "unit_price": price and Decimal(price), "amount_base": amount, "is_deleted": False, "user_id": "u",
        "item_id": "mug", **({"line_kind": "goods", "order_id": "o", "quantity": 1} if is_line else {}), **values,
    }  # fmt: skip


@pytest.fixture(scope="session")
def event() -> Callable[..., Row]:
    """``event("e1", "purchase", time, price="2.50")``: of the user u, the item mug and, if a line, the order o."""
    return _event


@pytest.fixture(scope="session")
def random_events() -> Callable[..., list[Row]]:
    """``random_events(seed, first)``: 400 events in 60 days from ``first`` of seven users, a guest among them.

    Every tenth is deleted; orders have lines of several days and kinds; the user bare never pays a price,
    and the user window never buys.
    """

    def build(seed: int, first: date, events: int = 400) -> list[Row]:
        rng = random.Random(seed)
        start = datetime(first.year, first.month, first.day, tzinfo=UTC) - SHOP

        def one(n: int) -> Row:
            user = rng.choice(["ann", "ben", "cat", "dan", "bare", "window", None])
            kinds = ["view", "view", "click", "cart", "search", "favourite"]
            event_type = rng.choice(kinds if user == "window" else [*kinds, *["purchase"] * 5, "return", "return"])
            time = start + timedelta(seconds=rng.randrange(60 * 86_400))
            values: Row = {"user_id": user, "is_deleted": rng.random() < 0.1, "item_id": f"i{rng.randrange(8)}"}
            if event_type == "search":
                values["item_id"] = None
            if event_type in ("purchase", "return"):
                values |= {
                    "order_id": f"{user} {rng.randrange(8)}",
                    "quantity": rng.choice([None, 1, 2, 5]),
                    "line_kind": rng.choice(["goods", "goods", "goods", "shipping", "voucher"]),
                    "price": None if user == "bare" else rng.choice([None, "0.001", "2.50", "19.99"]),
                    "discount_amount": rng.choice([None, Decimal("0.50")]),
                    "channel": rng.choice([None, "web", "app"]),
                }
            values |= {name: rng.choice([None, f"{name} {rng.randrange(3)}"]) for name in ("item_title", "region")}
            values["visitor_id"] = rng.choice([None, "till", "tablet", f"phone of {user}"])
            return _event(f"e{n}", event_type, time, **values)

        return [one(n) for n in range(events)]

    return build
