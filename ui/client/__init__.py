"""`--server URL`: a command carried out by a server."""
