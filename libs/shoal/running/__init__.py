"""How a command becomes stages that run on a lake."""
