"""Generated "Occluded Couples": rendered pairs of people in close interaction, with true visibility."""
