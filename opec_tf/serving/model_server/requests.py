"""What a Predict request asks for, checked in the server's order and refused in its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc
import numpy as np
import tensorflow as tf

from opec_tf.serving import api
from opec_tf.serving.model_server.statuses import ServingError, invalid

DEFAULT_SIGNATURE = "serving_default"


def check_has_spec(request: api.Message) -> None:
    """Refuses a request that says nothing of a model."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")


def check_spec(request: api.Message) -> None:
    """Refuses a request that names no model."""
    check_has_spec(request)
    if not request.model_spec.name:
        raise invalid("ModelSpec has no name specified.")


def parse(
    request: api.Message, signatures: Mapping[str, api.Message]
) -> tuple[str, dict[str, np.ndarray], tuple[str, ...]]:
    """Reads a ``PredictRequest``.

    Args:
      request: the message.
      signatures: signature name -> ``SignatureDef``.

    Returns:
      (signature's name, input name -> array, names of the outputs wanted)

    Raises:
      ServingError: there is no such signature, or inputs or outputs are not its own.
    """
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    if signature not in signatures:
        raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{signature}" not found.')
    definition = signatures[signature]
    _check_names(set(request.inputs), definition.inputs)
    inputs = {}
    for position, (name, info) in enumerate(sorted(definition.inputs.items())):
        proto = request.inputs[name]
        inputs[name] = _to_array(name, proto)
        if proto.dtype != info.dtype:
            # Its names of types are those of the enumeration: float, double, half.
            wanted, given = (
                api.types_pb2.DataType.Name(dtype).removeprefix("DT_").lower() for dtype in (info.dtype, proto.dtype)
            )
            raise invalid(f"Expects arg[{position}] to be {wanted} but {given} is provided")
    return signature, inputs, _wanted_outputs(request.output_filter, list(definition.outputs))


def _check_names(sent: set[str], inputs: Mapping[str, api.Message]) -> None:
    """Refuses inputs of other names than the signature's, name -> ``TensorInfo``."""
    required = set(inputs)
    if sent == required:
        return
    if len(sent) == len(required):
        missing = min(required - sent)
        raise invalid(f"Signature input alias: {missing}(feed name: {inputs[missing].name}) not found in request")

    def listed(names: set[str]) -> str:
        return "{" + ",".join(sorted(names)) + "}"

    raise invalid(
        f"input size does not match signature: {len(sent)}!={len(required)} len({listed(sent)}) != "
        f"len({listed(required)}). Sent extra: {listed(sent - required)}. "
        f"Missing but required: {listed(required - sent)}."
    )


def _to_array(name: str, proto: api.Message) -> np.ndarray:
    """The array of a ``TensorProto``, read by TensorFlow's own C++ parser."""
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
        array = tf.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
    except (TypeError, ValueError, tf.errors.OpError) as error:
        raise invalid(f"tensor parsing error: {name}") from error
    return np.array(array, object) if dtype is tf.string else array


def _wanted_outputs(output_filter: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The filter's names, or all in alphabetical order."""
    seen: set[str] = set()
    for name in output_filter:
        if name not in known:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(sorted(known))}}}."
            )
        if name in seen:
            raise invalid(f"duplicate output tensor alias: {name}")
        seen.add(name)
    return tuple(sorted(seen or known))
