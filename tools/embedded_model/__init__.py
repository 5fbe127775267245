"""Data, training, evaluation and export of the embedded model. ``python -m tools.embedded_model`` does it all."""
