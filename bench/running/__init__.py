"""Which runs are missing, and how they are spread over cores."""
