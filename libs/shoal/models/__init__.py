"""Fitting, applying and measuring models on plain frames; nothing here reads or writes."""
