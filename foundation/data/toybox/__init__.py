"""The toybox as training data."""
