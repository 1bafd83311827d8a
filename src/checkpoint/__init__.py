"""Checkpoints: files, their formats, names, and the way into a network."""
