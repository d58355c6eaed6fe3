"""Where a user is met, what the shop sends, what the user allows, and how the user rates."""

from pyspark.sql.types import BooleanType, DoubleType, IntegerType, StringType

from shoal.tables.feature import Feature, counts


def _context(facet: str) -> list[Feature]:
    main = f"_main_{facet}"
    of_facet = f"FILTER (WHERE facet = '{facet}')"
    null = f"where no event names a {facet}"
    return [
        Feature(main, None, "contexts", f"min(struct(-events AS fewer, name, events)) {of_facet}"),
        Feature(f"_{facet}_events", None, "contexts", f"sum(events) {of_facet}"),
        Feature(f"main_{facet}", StringType(), "user", f"{main}.name",
                f"{facet} of which the most events are, of equals the first by name", "name", null),
        Feature(f"main_{facet}_share", DoubleType(), "user", f"{main}.events / _{facet}_events",
                f"main_{facet}'s share of the events that name a {facet}", "share", null, low=0, high=1),
        Feature(f"last_{facet}", StringType(), "contexts", f"(max(struct(last_at, name)) {of_facet}).name",
                f"{facet} of the last event that names one, of equal times the last by name", "name", null),
    ]  # fmt: skip


CONTEXTS = [feature for facet in ("channel", "region", "device") for feature in _context(facet)]

REVIEWS = [
    *counts("reviews", "reviews written", "days", "sum(reviews)"),
    Feature("_ratings", None, "facets", "sum(ratings) FILTER (WHERE facet = 'item')"),
    Feature("_rating_sum", None, "facets", "sum(rating_sum) FILTER (WHERE facet = 'item')"),
    Feature("_usual_ratings", None, "facets",
            "sum(CAST(ratings * (CAST(shop.rating_sum AS DOUBLE) / nullif(shop.ratings, 0)) AS DECIMAL(34, 15))) "
            "FILTER (WHERE facet = 'item')"),
    Feature("mean_rating", DoubleType(), "user",
            "CASE WHEN _ratings > 0 THEN CAST(_rating_sum AS DOUBLE) / _ratings END",
            "mean rating in the user's reviews", "stars, on the shop's scale", "without a rating", low=0),
    Feature("rating_against_items", DoubleType(), "user",
            "CASE WHEN _ratings > 0 THEN (CAST(_rating_sum AS DOUBLE) - CAST(_usual_ratings AS DOUBLE)) / _ratings END",
            "mean difference between the user's rating of an item and the mean of all ratings of it: below 0 is harder "
            "to please than others", "stars", "without a rating"),
]  # fmt: skip

CAMPAIGNS = [
    *counts("contacts", "campaign events (messages sent to the user, opened or clicked)", "days", "sum(contacts)"),
    Feature("recency_contact_days", IntegerType(), "days",
            "datediff(:as_of, max(event_date) FILTER (WHERE contacts > 0))", "from the last campaign event to as_of",
            "days", "without one", low=1),
    Feature("marketing_consent", BooleanType(), "consents", "any_value(try_element_at(consents, 'marketing'))",
            "what was last said before as_of of marketing as such", "yes or no", "if nothing was said"),
    Feature("email_consent", BooleanType(), "consents",
            "any_value(coalesce(try_element_at(consents, 'marketing/email'), try_element_at(consents, 'marketing')))",
            "what was last said before as_of of marketing by e-mail, else of marketing as such", "yes or no",
            "if nothing was said"),
]  # fmt: skip
