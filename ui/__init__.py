"""The face: jobs in a queue, the server that takes them, and the page in a browser."""
