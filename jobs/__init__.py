"""The stages, one file each; `pipeline` runs them in order."""
