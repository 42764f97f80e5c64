"""Generated "Occluded Couples": rendered pairs of people in close interaction, with true visibility."""

from opec_tf.data.synthetic.dataset import HELD_OUT, SPLITS, summarize, write_dataset

__all__ = ["HELD_OUT", "SPLITS", "summarize", "write_dataset"]
