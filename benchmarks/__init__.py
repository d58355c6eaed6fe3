"""How fast Shoal is beside its peers, measured side by side: ``make bench STAGE=validate``."""
