"""The peers: each runs in a virtual environment of its own on the same landscapes, and their results are kept as JSON."""
