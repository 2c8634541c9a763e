"""One module per family of checks; each registers itself."""
