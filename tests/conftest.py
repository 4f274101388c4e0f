"""What holds for every test: no network, and the same examples on every machine."""

import os
import tempfile

# Set before any library of Hugging Face's is imported: a test that would download fails instead.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("house")

# Hashes of weights are recorded apart from the user's own record.
_cache = tempfile.TemporaryDirectory(prefix="kinora-cache-")
os.environ["KINORA_CACHE"] = _cache.name
