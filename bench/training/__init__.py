"""Batches, the training loop and its checkpoints."""
