"""What is written down of a lake: one module for each table of ops, or for the few that belong together."""
