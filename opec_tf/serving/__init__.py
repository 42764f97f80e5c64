"""Export for TensorFlow Serving, its client, and a stand-in for its server."""
