"""The HTTP face: one file an endpoint."""
