"""Stored results: run directories, thumbnails and environment. Needs no torch."""
