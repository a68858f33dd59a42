"""Files of data sets: download, unpack, cache, decode and verify."""
