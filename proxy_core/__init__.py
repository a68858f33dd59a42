"""Losses, models and exact evaluation of deep metric learning: tensors in, tensors out."""
