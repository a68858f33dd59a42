"""Scores of embeddings: retrieval, re-identification, verification, classification, clustering."""
