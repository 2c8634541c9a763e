"""Holds a database against the schema that init/ declares: `python -m verify`."""
