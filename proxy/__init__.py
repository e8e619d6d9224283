"""Serving: clients, upstreams, the loop, keys, metrics, audit, command line."""
