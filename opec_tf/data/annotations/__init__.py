"""Readers of pose data sets: one in-memory form, ``PoseAnnotations``, whatever the file's format.

What is an error and what is a warning:

* A malformed file is a ``UserError`` of one line that names the file, the record and the field: a missing key, a wrong
  number of joints, text where a number belongs, NaN, a duplicated id, an image id without an image, and so on.
* A person that cannot be cropped (a box without area or wholly outside its image) or not be learnt from (no labelled
  joint, a crowd region) stays in the arrays, because the published evaluation tools keep such people (as ignored or as
  missed ground truth). The reader logs one counted warning on boxes; ``has_usable_box``, ``num_keypoints`` and
  ``is_crowd`` tell those who crop or train which people to leave out.
"""
