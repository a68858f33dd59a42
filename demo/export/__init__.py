"""The browser as a folder that opens from disk, without a server: a page, its scripts and data."""
