"""Files to bronze: which come in, how a batch is loaded, and what has changed in how files look."""
