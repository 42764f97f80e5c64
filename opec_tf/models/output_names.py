"""The names of what the networks give out: those of their outputs, and of the maps that they share."""

from __future__ import annotations

NUM_BLOCKS = 3
# Of a base, from coarse to fine: the decoder's maps and those of the trunk of the same size.
MAPS, TRUNK_MAPS = ("F1", "F2", "F3"), ("C4", "C3", "C2")
POSE_OUTPUTS = ("initial_pose", *(f"pose_{block}" for block in range(1, NUM_BLOCKS + 1)))
# The pose that the graph refines where that is an input; the initial pose then only fills its gaps.
GIVEN_OUTPUT = "given"
VISIBILITY_OUTPUT = "visibility"
# Where a base regresses the joints of the person it is about, beside its heatmaps.
REGRESSED_OUTPUT = "regressed_pose"
# What OPEC-Net makes of a second look, told where the partner is.
SECOND_LOOK_OUTPUTS = ("second_initial_pose", "second_pose")
SECOND_HEATMAPS_OUTPUT = "second_heatmaps"
COUPLE_OUTPUTS = tuple(f"couple_pose_{block}" for block in range(1, NUM_BLOCKS + 1))
# What the last of the couple's poses was chosen from, see ``couple_net``.
ALTERNATIVES_OUTPUT, PAIR_LOGITS_OUTPUT = "couple_alternatives", "couple_pair_logits"
