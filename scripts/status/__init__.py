"""make status: the database in one screen, or as JSON."""
