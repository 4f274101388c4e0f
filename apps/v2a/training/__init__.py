"""Recipes that train what video-to-audio consists of."""
