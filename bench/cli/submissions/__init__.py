"""Results to send, and those that others send."""
