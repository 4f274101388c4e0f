"""Text-to-video: request, pipeline and command."""
