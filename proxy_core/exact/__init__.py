"""Exact retrieval on a CPU: `proxy_core.retrieval` imports it when it is needed."""
