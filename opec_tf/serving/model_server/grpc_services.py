"""PredictionService and ModelService over gRPC."""

from __future__ import annotations

import concurrent.futures
import functools
from collections.abc import Callable
from typing import TypeVar

import grpc

from opec_tf.serving import api
from opec_tf.serving.model_server import predict, requests
from opec_tf.serving.model_server.gate import Gate
from opec_tf.serving.model_server.statuses import ServingError, invalid, not_found
from opec_tf.serving.model_server.versions import ModelVersions

_Service = TypeVar("_Service")
_SIGNATURES_FIELD = "signature_def"


def _answering(
    method: Callable[[_Service, api.Message, grpc.ServicerContext], api.Message],
) -> Callable[[_Service, api.Message, grpc.ServicerContext], api.Message]:
    """Turns a method that raises ``ServingError`` into one that gRPC calls."""

    @functools.wraps(method)
    def answer(self: _Service, request: api.Message, context: grpc.ServicerContext) -> api.Message:
        try:
            return method(self, request, context)
        except ServingError as error:
            context.abort(error.code, error.message)

    return answer


class PredictionService(api.prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; every Predict goes through the gate."""

    def __init__(self, versions: ModelVersions, gate: Gate) -> None:
        self._versions, self._gate = versions, gate

    @_answering
    def Predict(self, request: api.Message, context: grpc.ServicerContext) -> api.Message:
        """Answers a ``PredictRequest``."""
        with self._gate:
            if not context.is_active():  # the client's deadline passed while it waited
                raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "The request waited longer than its deadline")
            return predict.predict(self._versions, request)

    @_answering
    def GetModelMetadata(self, request: api.Message, context: grpc.ServicerContext) -> api.Message:
        """Answers with the signatures, the only metadata that there is."""
        return metadata(self._versions, request)


class ModelService(api.model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus."""

    def __init__(self, versions: ModelVersions) -> None:
        self._versions = versions

    @_answering
    def GetModelStatus(self, request: api.Message, context: grpc.ServicerContext) -> api.Message:
        """Says how far the versions are."""
        return status(self._versions, request)


def server(versions: ModelVersions, gate: Gate, threads: int) -> grpc.Server:
    """A server with both services, which has no port yet."""
    pool = concurrent.futures.ThreadPoolExecutor(threads)
    made = grpc.server(pool, options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
    api.prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(versions, gate), made)
    api.model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(versions), made)
    return made


def metadata(versions: ModelVersions, request: api.Message) -> api.Message:
    """Answers a ``GetModelMetadataRequest``."""
    pb2 = api.get_model_metadata_pb2
    requests.check_spec(request)
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != _SIGNATURES_FIELD:
            raise invalid(f"Metadata field {field} is not supported")
    response = pb2.GetModelMetadataResponse()
    with versions.version(request.model_spec) as version:
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version.number
        signatures = pb2.SignatureDefMap()
        for name, signature in version.listed_signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
    response.metadata[_SIGNATURES_FIELD].Pack(signatures)
    return response


def status(versions: ModelVersions, request: api.Message) -> api.Message:
    """Answers a ``GetModelStatusRequest``; to the server no name is a name that it does not know."""
    requests.check_has_spec(request)
    spec = request.model_spec
    statuses = dict(versions.statuses) if spec.name == versions.name else {}
    if not statuses:
        raise not_found(f"Could not find any versions of model {spec.name}")
    if spec.HasField("version"):
        if spec.version.value not in statuses:
            raise not_found(f"Could not find version {spec.version.value} of model {spec.name}")
        statuses = {spec.version.value: statuses[spec.version.value]}
    response = api.get_model_status_pb2.GetModelStatusResponse()
    for number in sorted(statuses, reverse=True):
        item = response.model_version_status.add(version=number, state=statuses[number].state)
        item.status.error_code = statuses[number].code.value[0]
        item.status.error_message = statuses[number].message
    return response
