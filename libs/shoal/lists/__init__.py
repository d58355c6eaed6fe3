"""What the lists of a run may learn from, and who names their items."""
