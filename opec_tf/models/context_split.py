"""The context of the joints, cut out of its network."""

import tensorflow as tf

# The ``BodyContext`` of each stage's network.
CONTEXT_LAYERS = {"opec": "body_context", "couple": "couple_body_context"}


def split_at_context(net):
    """Cuts a network at its ``BodyContext``.

    Args:
      net: made by ``opec_net`` with body_context, or by ``couple_net`` with couple_context.

    Returns:
      (before, context), two models of the net's own layers: from the net's inputs to a dict of what the context sees,
      pose [B, K, 2], normalised crop (x, y), known [B, K, C], and for a CoupleGraph crop_to_image and partner; from
      that dict to a dict with the pose "told" [B, K, 2], normalised crop (x, y).
    """
    if isinstance(net.input, dict) and "partner" in net.input:
        pose, partner = net.get_layer("both_poses").input
        seen = {"pose": pose, "known": net.get_layer("both_known").input[0]}
        told = net.get_layer("couple_context").output
        pair = {"crop_to_image": net.input["crop_to_image"], "partner": partner}
    else:
        pose, known = net.get_layer("body_context").input
        seen, told, pair = {"pose": pose, "known": known}, net.get_layer("body_context").output, {}
    return tf.keras.Model(net.input, seen), tf.keras.Model({**seen, **pair}, {"told": told})
