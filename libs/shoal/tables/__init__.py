"""Every table of the lake, by layer. No logic and no I/O in here.

Bronze tables belong to their feeds: ``shoal.sources`` declares them through :func:`bronze`.
"""

from shoal.tables.bronze import bronze
from shoal.tables.changes import CATEGORIES, CATEGORY_CHANGES, ITEM_CHANGES, USER_CHANGES
from shoal.tables.features import (
    ITEM_FEATURES,
    LIMITS,
    USER_CATEGORIES,
    USER_DAYS,
    USER_FEATURES,
    USER_ITEM_DAYS,
    VISITOR_DAYS,
    VISITOR_ITEM_DAYS,
)
from shoal.tables.gold import (
    BOUGHT_TOGETHER,
    GOLD_USERS,
    PROPENSITIES,
    RECOMMENDATIONS,
    RECOMMENDATIONS_BY_SEGMENT,
    SEGMENT_PROFILES,
    SEGMENTS,
    SIMILAR_ITEMS,
)
from shoal.tables.ops import (
    BATCHES,
    CLAIMS,
    DAYS,
    DECLARED_FEEDS,
    FACTORS,
    FEATURE_DRIFT,
    FILES,
    LAKE,
    METRICS,
    MODELS,
    QUALITY,
    RELEASES,
    RUNS,
)
from shoal.tables.silver import (
    ACCOUNT_ALIASES,
    EVENT_VERSIONS,
    EVENTS,
    IDENTITIES,
    ITEMS,
    ORDERS,
    REJECTED_EVENTS,
    RETURN_LINKS,
    USERS,
)
from shoal.tables.table import Column, Policy, Rule, Severity, Table, severity_of
from shoal.tables.vocabulary import EVENT_TYPES, WATCHED

SCHEMA_VERSION = 7  # of the whole lake; raised with every change of a declared table

# Made with the first row that they could hold: a shop whose feeds tell of events only, without visitor ids or returns,
# never has them.
AS_NEEDED = (
    *(ITEM_CHANGES, USER_CHANGES, CATEGORY_CHANGES, CATEGORIES),
    *(IDENTITIES, ACCOUNT_ALIASES, RETURN_LINKS, VISITOR_DAYS, VISITOR_ITEM_DAYS),
)
SILVER = (
    *(EVENTS, EVENT_VERSIONS, REJECTED_EVENTS, ORDERS, ITEMS, USERS),
    *(IDENTITIES, ACCOUNT_ALIASES, RETURN_LINKS, ITEM_CHANGES, USER_CHANGES, CATEGORY_CHANGES, CATEGORIES),
)
FEATURES = (
    *(USER_DAYS, USER_ITEM_DAYS, VISITOR_DAYS, VISITOR_ITEM_DAYS),
    *(LIMITS, USER_FEATURES, USER_CATEGORIES, ITEM_FEATURES),
)
GOLD = (
    *(GOLD_USERS, SEGMENTS, SEGMENT_PROFILES, PROPENSITIES),
    *(RECOMMENDATIONS, RECOMMENDATIONS_BY_SEGMENT, SIMILAR_ITEMS, BOUGHT_TOGETHER),
)
OPS = (
    *(LAKE, DECLARED_FEEDS, BATCHES, FILES, CLAIMS, RUNS, QUALITY, DAYS),
    *(FEATURE_DRIFT, METRICS, MODELS, FACTORS, RELEASES),
)
CURRENT = (*GOLD, USER_CATEGORIES, ITEM_FEATURES)  # a view shows the rows of the release that is current
# What has a gate that judges further rules of the shop.
GATED = {
    table.name: table
    for table in (
        *(EVENTS, USER_FEATURES, SEGMENTS, SEGMENT_PROFILES, PROPENSITIES, RECOMMENDATIONS),
        *(RECOMMENDATIONS_BY_SEGMENT, SIMILAR_ITEMS, BOUGHT_TOGETHER, GOLD_USERS),
    )
}
ALL = (*SILVER, *FEATURES, *GOLD, *OPS)

__all__ = [
    "ACCOUNT_ALIASES", "ALL", "AS_NEEDED", "BATCHES", "BOUGHT_TOGETHER", "CATEGORIES", "CATEGORY_CHANGES", "CLAIMS",
    "CURRENT", "DAYS", "DECLARED_FEEDS", "EVENTS", "EVENT_TYPES", "EVENT_VERSIONS", "FACTORS", "FEATURES",
    "FEATURE_DRIFT", "FILES", "GATED", "GOLD", "GOLD_USERS", "IDENTITIES", "ITEMS", "ITEM_CHANGES", "ITEM_FEATURES",
    "LAKE", "LIMITS", "METRICS", "MODELS", "OPS", "ORDERS", "PROPENSITIES", "QUALITY", "RECOMMENDATIONS",
    "RECOMMENDATIONS_BY_SEGMENT", "REJECTED_EVENTS", "RELEASES", "RETURN_LINKS", "RUNS", "SCHEMA_VERSION", "SEGMENTS",
    "SEGMENT_PROFILES", "SILVER", "SIMILAR_ITEMS", "USERS", "USER_CATEGORIES", "USER_CHANGES", "USER_DAYS",
    "USER_FEATURES", "USER_ITEM_DAYS", "VISITOR_DAYS", "VISITOR_ITEM_DAYS", "WATCHED", "Column", "Policy", "Rule",
    "Severity", "Table", "bronze", "severity_of",
]  # fmt: skip
