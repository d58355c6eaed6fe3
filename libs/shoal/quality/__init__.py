"""Telling good rows from bad, and judging whether a batch may go on."""
