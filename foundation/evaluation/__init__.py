"""Measures models with the toybox's judges, on pixels alone."""
