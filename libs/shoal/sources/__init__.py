"""Foreign feeds as canonical events: one small file per feed."""
