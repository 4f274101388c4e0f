"""The networks: modules only, nothing here reads a file."""
