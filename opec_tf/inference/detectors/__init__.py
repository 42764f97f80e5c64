"""Person boxes from pictures: NanoDet, which the package ships, or a YOLO network that the user names.

A detector is a function of an RGB picture, uint8 [h, w, 3], that gives the boxes of the people in it, float64 [N, 4],
(x, y, w, h) within the picture, and their scores, float64 [N], 0..1, best first. A box is as geometry.py has it: its
outer edges, [0, 0, w, h] for the whole picture, which is what these networks are trained on too, so nothing is shifted
by half a pixel.
"""
