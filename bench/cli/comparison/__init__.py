"""`compare`: losses on one's own photographs."""
