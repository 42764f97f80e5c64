"""Own data sets of overlapping people, as the paper's section 4 made OCPose: frames of videos, annotated and merged.

``video_frames`` takes pictures out of videos; the server and its page have them annotated in the browser, into the
files of ``records``; ``merging`` makes one data set of what several annotators say.
"""
