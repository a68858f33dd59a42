"""What may be wrong with somebody's evaluation, from its embeddings and labels."""
