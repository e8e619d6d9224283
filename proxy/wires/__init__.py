"""Wires: one lens for each API that clients speak, so that the loop sees one shape."""
