"""Losses and data of the VAE's recipe."""
