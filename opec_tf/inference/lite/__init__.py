"""A model in one TFLite file, for telephones and small computers: made, read and run."""
