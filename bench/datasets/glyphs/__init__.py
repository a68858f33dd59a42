"""Glyphs: letters rendered from the fonts inside matplotlib."""
