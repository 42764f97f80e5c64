"""Skeletons, coordinates, boxes, pictures, heatmap decoding, poses and their drawing. No network, no training."""
