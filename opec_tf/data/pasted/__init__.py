"""Pairs of real people: one cut out by a mask and laid over another person's picture."""
