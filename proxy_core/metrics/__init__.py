"""Scores of embeddings: retrieval, re-identification, verification, classification, clustering."""

JUNK = -1  # label of gallery items that count neither as positive nor as negative
