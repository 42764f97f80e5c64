"""The backbones that a base module starts from."""
