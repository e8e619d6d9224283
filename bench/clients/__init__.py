"""The official clients of the compatibility matrix, one file each; every cell is printed as a line of JSON.

A client says which case it wants with `case:NAME` in its question. Cells that do not apply say why.
"""
