"""Folders with tiny weights."""

from tiny_folders import model_folder, starter_folder
from tiny_picture_folder import i2v_folder

__all__ = ["i2v_folder", "model_folder", "starter_folder"]
