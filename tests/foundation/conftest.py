"""Model folders with random weights at tiny width."""

from tiny_folders import model_folder, starter_folder

__all__ = ["model_folder", "starter_folder"]
