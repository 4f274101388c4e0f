"""Recipes that train rewriters."""
