"""Own data sets of overlapping people, as the paper's section 4 made OCPose: frames of videos, the page on which they are
annotated (files, server, browser), and the merging of what several annotators say."""
