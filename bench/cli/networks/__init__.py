"""Networks that runs stored, and weights of pretrained ones."""
