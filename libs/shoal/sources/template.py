"""An example of the feed `shoal`, for people who write one."""

import json

_EXAMPLE = (
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


def template() -> str:
    """JSON lines: a view, a cart, an order of two lines, a partial return, a guest's search."""
    return "".join(json.dumps(row) + "\n" for row in _EXAMPLE)
