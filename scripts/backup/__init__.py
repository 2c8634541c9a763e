"""Backups of the database and what is done with them: save, list, restore, try out."""
