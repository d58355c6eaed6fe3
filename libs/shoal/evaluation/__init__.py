"""Measuring recommenders on any table: read, split, fit, rank, measure, tune; knows no lake."""
