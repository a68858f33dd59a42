"""Scores of a network on validation and test images."""
