"""Training the gauge from a VIDB. Nothing here is needed to score."""
