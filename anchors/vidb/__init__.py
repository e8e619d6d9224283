"""VIDB, the value intensity database: texts, rankings of them by judges, and the intensities fitted to those."""
