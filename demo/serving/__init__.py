"""The server and what it answers."""
