"""What commands need to know of TFLite files before TensorFlow starts."""

# Of the weights; in "int8" also of what the convolutions pass on. Inputs and outputs are always float32.
FLOAT32, FLOAT16, INT8 = PRECISIONS = ("float32", "float16", "int8")
