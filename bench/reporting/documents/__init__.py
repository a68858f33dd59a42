"""Pages and files that are made from the source or from stored results."""
