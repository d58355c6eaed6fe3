"""Whose acts a cut sees, the tiles and limits that it reads, and features joined to any list."""
