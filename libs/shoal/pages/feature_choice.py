"""The part of docs/features.md on `shoal features report`."""

CHOICE = """## Which features say something

`shoal features report` says which features carry the information and which repeat others, the shop's own among them. Of the shop that
`shoal synthesize --users 1500 --items 300 --days 120 --seed 5` makes (shortened):

```
$ shoal features report --lake lake
247 features of 1,487 users; run 2025-05-01-4cbd594bc8ad, as of 2025-04-01, 30 days before it
Label bought_within:30: 1,487 users, entropy 0.9436 bits

32 features that say nothing
why           number  features
always 0          21  searches, searches_1d, searches_7d, searches_30d, searches_90d, searches_365d,
                      reviews, reviews_1d, reviews_7d, reviews_30d, reviews_90d, reviews_365d,
                      contacts, contacts_1d, contacts_7d, contacts_30d, contacts_90d, contacts_365d,
                      is_suspect, suspect_reasons, extreme_purchases
always null        6  recency_search_days, mean_rating, rating_against_items, recency_contact_days,
                      marketing_consent, email_consent
0 for 99.6 %       2  abandoned_carts_1d, open_basket_items_1d
0 for 99.4 %       1  returns_1d
0 for 99.5 %       1  favourites_1d
always 1           1  main_region_share

105 features that repeat another, in 34 groups (|spearman| >= 0.95); the first 20
keep                     repeated by
purchases                carts 0.988, carts_90d 0.988, carts_365d 0.988, purchases_90d 1.000,
                         purchases_365d 1.000, pieces 0.975, pieces_90d 0.975, pieces_365d 0.975,
                         distinct_items 0.991, distinct_items_90d 0.991, distinct_items_365d 0.991,
                         distinct_brands 0.967, distinct_brands_90d 0.967, distinct_brands_365d
                         0.967
net_spend_7d             orders_7d 0.952, purchases_7d 0.955, pieces_7d 0.955, spend_7d 0.955,
                         distinct_items_7d 0.955, distinct_categories_7d 0.953, distinct_brands_7d
                         0.955
spend                    spend_90d 1.000, spend_365d 1.000, net_spend 0.994, net_spend_90d 0.994,
                         net_spend_365d 0.994, monetary_score 0.976
minutes_spent            frequency 0.984, orders_90d 0.984, orders_365d 0.984, frequency_score
                         0.971, minutes_spent_90d 1.000
...

176 features that tell of bought_within:30 more than chance does; the first 20
rank  feature                     bits    of its entropy  nulls  repeats
   1  pieces_per_order            0.2747  29.1%           4%
   2  basket_size                 0.2684  28.4%           4%     pieces_per_order
   3  recency_days                0.2428  25.7%           4%
   4  last_order_at               0.2428  25.7%           4%     recency_days
   5  recency_cart_days           0.2405  25.5%           2%
   6  order_value                 0.2380  25.2%           4%
   7  next_order_date             0.2302  24.4%           46%
   8  overdue_ratio               0.2233  23.7%           46%    next_order_date
   9  recency_event_days          0.2116  22.4%           0%
  10  recency_view_days           0.2099  22.2%           0%     recency_event_days
...

Principal components of 202 features that differ: 15 hold 80%, 28 hold 90%, 42 hold 95%, 69 hold 99% of the variance
component  of variance  users with more of it have
        1  31.2%        more views +0.11, purchases +0.11, active_days +0.10, distinct_brands_viewed
                        +0.10, carts_30d +0.10, brand_entropy +0.10
        2  12.5%        more next_order_date +0.13, recency_cart_days +0.12, recency_event_days
                        +0.12; less minutes_spent_7d -0.13, active_days_7d -0.12, carts_7d -0.12
        3  7.0%         more purchases_1d +0.15, carts_1d +0.14, views_1d +0.14, price_level +0.13,
                        order_value +0.13, net_spend_1d +0.13
        4  5.8%         more session_median_minutes +0.22, purchase_session_share +0.22,
                        cart_to_purchase_share +0.18, minutes_spent +0.16; less pieces_per_order
                        -0.18, order_value -0.16
        5  5.2%         more open_basket_items +0.16, views_1d +0.14, net_spend_1d +0.14, carts_1d
                        +0.14; less cart_to_purchase_share -0.14, purchases_per_view_90d -0.13

85 features of 247 are left that say something of a label and repeat no other:
pieces_per_order, recency_days, recency_cart_days, order_value, next_order_date, recency_event_days,
order_season_concentration, gap_days, recency_score, session_interval_days, active_days_trend_30_90,
minutes_spent_30d, orders_trend_30_90, order_value_spread, distinct_categories_30d, purchases,
gap_median_days, rfm, order_season_day, distinct_categories_viewed_30d and 65 more
```

- **At whom it looks**: with `--label bought_within:30` at users as they were 30 days before the run's day, since what they did from there on is known: the same examples
  that propensities learn from, by the run's limits, without suspects and who objected. `bought_within` may be repeated; then features are those
  of before the longest. By default the horizons of `propensity` are taken. `--label FILE` is any table (CSV, TSV, Parquet, Delta) of `user_id` and a column per label, numbers, yes and no, or
  text of 20 kinds at most, beside the features of the run's day; users that are not in it are not looked at. `--label none` looks at the features alone.
  Settings of `features` must be those of the run: with others `shoal features --as-of DAY` opens one, to be named with `--run-id`.
  Of more than 100,000 users who can be looked at (`--sample`) about so many are drawn by a hash of `user_id` and `--seed`, the same ones each time.
- **Values** are taken to three digits. Yes is 1, a day is the number of days from it to the features' day, a list its length; text is 32 bins of a hash, and correlates with nothing.
- **Says nothing**: no value, or one and the same, for 99 % of the users.
- **Bits**: the mutual information of the label with tenths of the users by the feature, those without a value being an eleventh, less the bias that counts
  of few users have (Miller 1955). At most it is the label's entropy. Listed is what is above chance: whose G statistic only 1 % of reports would exceed for any of
  their features, if none told anything. A label of more than 20 different numbers is looked at by tenths too.
- **Repeats**: Spearman's correlation (`--by pearson`: Pearson's, of logarithms as models take them) of 0.95 or more in size (`--threshold`)
  among those who have both values, who must be 90 % of those who have either: what is null for others says something of its own. Ranks are those
  among all who have a value, ties averaged. Who tells most of the labels stands for those that repeat it; where that is the same, who has the
  fewest nulls, then who is computed most simply. All that is left out repeats one that stays, and no two that stay repeat each other.
- **Components** are of features that differ, standardised, logarithms but for shares, nulls at the mean: as models take them.
- **What is left** may be named in `inputs`. It is a beginning: each feature is judged by itself, and two that tell little may tell much together.

`--format json` has all figures: nulls, mean, variance, quantiles and bits of each feature, each group with both correlations, what components
explain and the weights of the first five; `--out FILE` writes to a file. Nothing in the lake changes. Beside what the features of one day cost, it takes two passes over the users that are looked at, however many features there are;
where only some are drawn, those who could be are counted first, by their days alone.
"""  # noqa: E501
