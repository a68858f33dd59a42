"""What it costs to reach a score."""
