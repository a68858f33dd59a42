"""Scores of a user's own embeddings."""
