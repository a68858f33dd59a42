"""The `proxy-bench` command line."""
