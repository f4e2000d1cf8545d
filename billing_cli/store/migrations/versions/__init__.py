"""The migrations themselves; their names begin with their numbers."""
