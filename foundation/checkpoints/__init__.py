"""Where models are found, and what they are made of."""
