"""The guide's pages, and what in them and in the README is generated from the spec, the code and measurements."""
