"""How large the trunks are, by name; without TensorFlow, so that PyTorch's side of a comparison reads them, too."""

# Residual blocks of each of the four stages.
BLOCKS = {
    "resnet10": (1, 1, 1, 1),
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}
BASIC_BLOCKS = ("resnet10", "resnet18", "resnet34")
# MoveNet's published sizes, by the multiple of MobileNetV2's channels.
MOVENET_WIDTHS = {"movenet_thunder": 1.75, "movenet_lightning": 1.0}
