"""users x features -> which features say something of a label, which repeat others, and how few directions there are.

Two passes over the users, whatever the number of features and labels: how often each value comes (``counting``), from
which follow nulls, variance, ranks and bins (``codebooks``); then sums over all pairs (``kernels/tallies``), from which
follow correlations (``repeats``), mutual information (``information``) and principal components (``components``).
"""

from shoal.models.selection.examining import Found, examine

__all__ = ["Found", "examine"]
