"""Recipes that train image-to-video."""
