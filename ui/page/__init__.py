"""The Gradio page: a tab per command, the queue and the gallery."""
