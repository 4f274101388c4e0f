"""Judges: what a clip shows, measured on its pixels alone."""
