"""The retrieval browser over stored results."""
