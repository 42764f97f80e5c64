"""What an ONNX file says of its input, which ``cv2.dnn`` does not tell.

A few messages of ONNX's protocol buffer schema (onnx.proto3), with the fields that are looked at.
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

_OPTIONAL, _REPEATED = (
    descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
    descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED,
)
# Message -> its fields: name, number, label, type (another message's name, or "int64" or "string").
_SCHEMA = {
    "Dimension": [("dim_value", 1, _OPTIONAL, "int64")],
    "Shape": [("dim", 1, _REPEATED, "Dimension")],
    "Tensor": [("shape", 2, _OPTIONAL, "Shape")],
    "Type": [("tensor_type", 1, _OPTIONAL, "Tensor")],
    "ValueInfo": [("name", 1, _OPTIONAL, "string"), ("type", 2, _OPTIONAL, "Type")],
    "Weights": [("name", 8, _OPTIONAL, "string")],
    "Graph": [("initializer", 5, _REPEATED, "Weights"), ("input", 11, _REPEATED, "ValueInfo")],
    "Model": [("graph", 7, _OPTIONAL, "Graph")],
}
_PACKAGE = "opec_tf.onnx_header"


def input_size(content: bytes) -> tuple[int, int] | None:
    """(height, width) of the picture that an ONNX model takes, input [B, 3, height, width].

    Args:
      content: bytes of the file.

    Returns:
      (height, width), each 0 where the model leaves it open; None where the bytes are no ONNX model of one picture.
    """
    model = _model_class()()
    try:
        model.ParseFromString(content)
    except message.DecodeError:
        return None
    weights = {tensor.name for tensor in model.graph.initializer}
    # Old files list the weights among the inputs.
    shapes = [value.type.tensor_type.shape.dim for value in model.graph.input if value.name not in weights]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1].dim_value not in (0, 3):
        return None
    return shapes[0][2].dim_value, shapes[0][3].dim_value


def _model_class() -> type[message.Message]:
    file = descriptor_pb2.FileDescriptorProto(name=_PACKAGE, package=_PACKAGE, syntax="proto3")
    scalars = {
        "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
        "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    }
    for name, fields in _SCHEMA.items():
        described = file.message_type.add(name=name)
        for field_name, number, label, kind in fields:
            field = described.field.add(name=field_name, number=number, label=label)
            if kind in scalars:
                field.type = scalars[kind]
            else:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Model"))
