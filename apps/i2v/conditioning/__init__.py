"""From a user's images to `Conditioning`."""
