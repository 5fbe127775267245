"""Static functions: a body that always does the same is recorded once and replayed without running Python code of its own."""
