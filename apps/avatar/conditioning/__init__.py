"""What drives an avatar, from user media to the slots of `Conditioning`."""
