"""The measures, by topic; a new one is a function more in the module of its topic."""
