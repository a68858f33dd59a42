"""Images that visitors bring."""
