"""Coloured shapes that move over backgrounds."""
