"""The audio transformer and its small encoders: modules only."""
