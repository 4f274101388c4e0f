"""The sounds of scenes and voices."""
