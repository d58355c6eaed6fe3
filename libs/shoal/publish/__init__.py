"""The gate of a run, and the views that show it."""
