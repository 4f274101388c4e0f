"""Pairs of prompt and rewrite."""
