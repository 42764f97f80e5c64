"""Own data sets of overlapping people, as the paper's section 4 made OCPose: frames of videos, annotated and merged."""
