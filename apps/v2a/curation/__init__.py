"""Which clips are worth training video-to-audio on (paper, "Audio Generation based on Video", "Data")."""
