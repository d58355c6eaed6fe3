"""The part of docs/features.md on `shoal features report`."""

CHOICE = """## Which features say something

`shoal features report` says which features carry the information and which repeat others, the shop's own among them. Of the shop that
`shoal synthesize --users 1500 --items 300 --days 120 --seed 5` makes (shortened):

```
$ shoal features report --lake lake
@OUTPUT@
```

- **At whom it looks**: with `--label bought_within:30` at users as they were 30 days before the run's day, since what they did from there on is known: the same examples
  that propensities learn from, by the run's limits, without suspects and who objected. `bought_within` may be repeated; then features are those
  of before the longest. By default the horizons of `propensity` are taken. `--label FILE` is any table (CSV, TSV, Parquet, Delta) of `user_id` and a column per label, numbers, yes and no, or
  text, beside the features of the run's day; users that are not in it are not looked at. `--label none` looks at the features alone.
  Of more than 100,000 users (`--sample`) about so many are drawn by a hash of `user_id` and `--seed`, the same ones each time.
- **Values** are taken to three digits. Yes is 1, a day is the number of days from it to the features' day, a list its length; text is 32 bins of a hash, and correlates with nothing.
- **Says nothing**: no value, or one and the same, for 99 % of the users.
- **Bits**: the mutual information of the label with tenths of the users by the feature, those without a value being an eleventh, less the bias that counts
  of few users have (Miller 1955). At most it is the label's entropy. Listed is what is above chance: whose G statistic only 1 % of reports would exceed for any of
  their features, if none told anything. A label with more than 20 different values is looked at by tenths too.
- **Repeats**: Spearman's correlation (`--by pearson`: Pearson's, of logarithms as models take them) of 0.95 or more in size (`--threshold`)
  among those who have both values, who must be 90 % of those who have either: what is null for others says something of its own. Ranks are those
  among all who have a value, ties averaged. Who tells most of the labels stands for those that repeat it; where that is the same, who has the
  fewest nulls, then who is computed most simply. All that is left out repeats one that stays, and no two that stay repeat each other.
- **Components** are of features that differ, standardised, logarithms but for shares, nulls at the mean: as models take them.
- **What is left** may be named in `inputs`. It is a beginning: each feature is judged by itself, and two that tell little may tell much together.

`--format json` has all figures: nulls, mean, variance, quantiles and bits of each feature, each group with both correlations, what components
explain and the weights of the first five; `--out FILE` writes to a file. Nothing in the lake changes. Beside what the features of one day cost, it takes two passes over the users that are looked at, however many features there are.
"""  # noqa: E501
