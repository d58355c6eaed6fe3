"""Settings that come with Shoal; read through importlib.resources."""
