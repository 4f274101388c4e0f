"""Folders with tiny weights."""

from tiny_folders import starter_folder
from tiny_sound_folder import sound_folder

__all__ = ["sound_folder", "starter_folder"]
