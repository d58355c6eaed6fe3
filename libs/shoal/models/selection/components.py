"""How few directions hold the variance of all features: principal components of the correlation matrix.

Those of MLlib's ``PCA`` on standardised features; but as the sums over all pairs are there, no pass over the users is
needed, and rows in any order give the same.
"""

from dataclasses import dataclass

import numpy as np

from shoal.kernels.tallies import Numbers, Sums

SHARES = (0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Components:
    """Principal components, the one with the most variance first."""

    explained: Numbers  # share of the variance of all features
    loadings: Numbers  # component x feature, of length 1; the weight that is farthest from 0 is positive

    def needed(self, share: float) -> int:
        """How many components hold so great a share of the variance; 0 without features."""
        reached = np.cumsum(self.explained) >= share - 1e-9
        return int(np.argmax(reached)) + 1 if reached.any() else len(self.explained)


def components(sums: Sums, places: list[int]) -> Components:
    """Principal components of standardised features, nulls taken as the mean.

    Args:
        sums: over all pairs; of the linear scale, on which the mean is 0.
        places: the features that are looked at; each must differ between users.
    """
    if not places:
        return Components(np.zeros(0), np.zeros((0, 0)))
    products = sums.products[0][np.ix_(places, places)]
    scale = np.sqrt(np.diagonal(products))
    values, vectors = np.linalg.eigh(products / np.outer(scale, scale))
    explained = np.maximum(values[::-1], 0.0) / len(places)
    loadings = vectors.T[::-1]
    farthest = np.abs(np.round(loadings, 9)).argmax(axis=1)
    signs = np.sign(loadings[np.arange(len(places)), farthest])
    return Components(explained, loadings * signs[:, None])
