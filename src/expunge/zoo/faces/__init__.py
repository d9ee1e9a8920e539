"""`zoo:faces` and its recipe."""
