"""From a user's video and prompt to the audio transformer's conditioning."""
