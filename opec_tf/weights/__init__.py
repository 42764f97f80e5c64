"""Other frameworks' weights as NumPy arrays, read without those frameworks, and as the base of a workdir."""
