"""A user's folder of clips and captions as training data."""
