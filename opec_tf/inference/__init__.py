"""A trained network on pictures and videos: who is in them, batches of crops, poses in image pixels, drawings."""
