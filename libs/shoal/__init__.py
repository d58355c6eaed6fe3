"""Shoal: raw shop events in, segments, recommendations and propensities out."""

__version__ = "0.1.0"
