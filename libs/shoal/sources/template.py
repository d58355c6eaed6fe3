"""Examples of Shoal's own feeds, for people who write one."""

import json
from collections.abc import Mapping, Sequence

_EVENTS = (
    {"event_id": "e-1001", "event_type": "view", "event_time": "2025-03-01T09:12:00+01:00", "user_id": "u-17",
     "visitor_id": "v-5", "session_id": "s-88", "item_id": "tea-01", "item_title": "Green tea, 100 g",
     "category": "Drinks/Tea", "brand": "Leaf", "device": "phone", "channel": "app"},
    {"event_id": "e-1002", "event_type": "cart", "event_time": "2025-03-01T09:14:10+01:00", "user_id": "u-17",
     "visitor_id": "v-5", "session_id": "s-88", "item_id": "tea-01"},
    {"event_id": "e-1003", "event_type": "purchase", "event_time": "2025-03-01T09:20:45+01:00", "user_id": "u-17",
     "session_id": "s-88", "item_id": "tea-01", "item_title": "Green tea, 100 g", "quantity": 2,
     "unit_price": 4.95, "currency": "EUR", "order_id": "o-300", "line_kind": "goods"},
    {"event_id": "e-1004", "event_type": "purchase", "event_time": "2025-03-01T09:20:45+01:00", "user_id": "u-17",
     "item_id": "SHIPPING", "quantity": 1, "unit_price": 3.50, "currency": "EUR", "order_id": "o-300",
     "line_kind": "shipping"},
    {"event_id": "e-1005", "event_type": "return", "event_time": "2025-03-05T16:02:00+01:00", "user_id": "u-17",
     "item_id": "tea-01", "quantity": 1, "unit_price": 4.95, "currency": "EUR", "order_id": "o-300",
     "line_kind": "goods", "original_event_id": "e-1003"},
    {"event_id": "e-1006", "event_type": "search", "event_time": "2025-03-06T20:00:00Z", "visitor_id": "v-9",
     "query": "black tea"},
)  # fmt: skip


_ITEMS = (
    {"item_id": "tea-01", "changed_at": "2025-02-01T00:00:00+01:00", "title": "Green tea, 100 g",
     "category": "Drinks/Tea", "brand": "Leaf", "price": 4.95, "currency": "EUR", "cost": 2.10, "stock": 140,
     "recommendable": True},
    {"item_id": "tea-02", "item_group_id": "tea-01", "changed_at": "2025-02-01T00:00:00+01:00",
     "title": "Green tea, 250 g", "category": "Drinks/Tea", "brand": "Leaf", "price": 9.95, "currency": "EUR"},
    {"item_id": "tea-01", "changed_at": "2025-03-04T00:00:00+01:00", "price": 5.45, "currency": "EUR"},
    {"item_id": "tea-02", "changed_at": "2025-03-10T00:00:00+01:00", "is_deleted": True},
)  # fmt: skip
_USERS = (
    {"user_id": "u-17", "changed_at": "2025-02-20T18:03:11+01:00", "registered_at": "2025-02-20T18:03:11+01:00",
     "region": "DE", "birth_year_band": "1980-1989", "consents": {"profiling": True, "marketing/email": True}},
    {"user_id": "u-17", "changed_at": "2025-03-02T08:00:00+01:00", "consents": {"marketing/email": False}},
    {"user_id": "u-900", "changed_at": "2025-02-21T09:00:00+01:00", "account_kind": "staff"},
)  # fmt: skip
_CATEGORIES = (
    {"category_id": "c-1", "title": "Drinks"},
    {"category_id": "c-7", "parent_id": "c-1", "title": "Tea"},
)
_EXAMPLES: Mapping[str, Sequence[Mapping[str, object]]] = {
    "shoal": _EVENTS, "shoal_items": _ITEMS, "shoal_users": _USERS, "shoal_categories": _CATEGORIES,
}  # fmt: skip
NAMES = (*_EXAMPLES,)


def template(feed: str = "shoal") -> str:
    """JSON lines of one of Shoal's own feeds.

    Of events a view, a cart, an order of two lines, a partial return and a guest's search; of the others a few rows
    and what has changed about them later.
    """
    return "".join(json.dumps(row) + "\n" for row in _EXAMPLES[feed])
