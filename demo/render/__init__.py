"""HTML of the page."""
