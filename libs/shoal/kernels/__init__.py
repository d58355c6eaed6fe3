"""Numeric code that runs inside Spark tasks: numpy and Arrow only, and no knowledge of Spark."""
