"""Figures of a list in plain Python, written from their definitions and nothing else."""

from itertools import combinations
from math import log2, sqrt


def ndcg(listed, wanted, k):
    gain = sum(1 / log2(rank + 1) for rank, item in enumerate(listed[:k], 1) if item in wanted)
    return gain / sum(1 / log2(rank + 1) for rank in range(1, min(k, len(wanted)) + 1))


def average_precision(listed, wanted, k):
    total, hit = 0.0, 0
    for rank, item in enumerate(listed[:k], 1):
        if item in wanted:
            hit += 1
            total += hit / rank
    return total / len(wanted)


def recall(listed, wanted, k):
    return len({*listed[:k]} & wanted) / len(wanted)


def precision(listed, wanted, k):
    return len({*listed[:k]} & wanted) / k


def hit_rate(listed, wanted, k):
    return float(bool({*listed[:k]} & wanted))


def reciprocal_rank(listed, wanted, k):
    return next((1 / rank for rank, item in enumerate(listed[:k], 1) if item in wanted), 0.0)


def novelty(listed, train, k):
    everyone = {user for user, _ in train}
    bits = [-log2(len(users_of(item, train)) / len(everyone)) for item in listed[:k]]
    return sum(bits) / len(bits) if bits else None


def diversity(listed, train, k):
    unlike = []
    for one, other in combinations(listed[:k], 2):
        a, b = users_of(one, train), users_of(other, train)
        unlike.append(1 - len(a & b) / sqrt(len(a) * len(b)))
    return sum(unlike) / len(unlike) if unlike else None


def users_of(item, train):
    return {user for user, one in train if one == item}


def coverage(lists, catalogue, k):
    return len({item for listed in lists for item in listed[:k]}) / len(catalogue)


def gini(counts):
    """By the mean difference between any two, which is the definition; quadratic."""
    return sum(abs(a - b) for a in counts for b in counts) / (2 * len(counts) * sum(counts))
