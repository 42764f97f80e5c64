"""A stand-in for TensorFlow Serving on the official stubs, for development and tests: see ``server.ModelServer``."""
