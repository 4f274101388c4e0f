"""A user's own clips: from a folder of media and captions to latents and embeddings on disk.

What reads media needs FFmpeg and Pillow; what the trainer reads (`shards`, `prepared`, `samples`) does not.
"""
