"""Bronze to silver: a batch is judged, enters, and what follows from it is derived."""
