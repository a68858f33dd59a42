"""Exact ranking on a CPU by a float32 filter: see `proxy_core.metrics.exact.search`."""
