"""Names by which flags and records say who is in the pictures."""

# The annotated people.
ANNOTATED = "gt"
# The package's detector.
NANODET = "nanodet"
# Instead of a detector: the whole image is one person's box.
NO_DETECTOR = "none"
