"""The files of serving/: they parse, agree with each other and with what the code writes."""

import pathlib
import re

import serving_run
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from opec_tf.serving import limits
from opec_tf.serving.model_server import batching

SERVING = pathlib.Path(__file__).resolve().parents[2] / "serving"
# TensorFlow Serving's command line, as both deployments give it.
ARGUMENTS = [
    "--port=8500",
    "--rest_api_port=8501",
    "--model_config_file=/serving/models.config",
    "--monitoring_config_file=/serving/monitoring.config",
    "--enable_batching",
    "--batching_parameters_file=/serving/batching_parameters.txt",
    "--grpc_max_threads=256",
    "--max_num_load_retries=0",
]


def test_warmup_goes_up_to_the_largest_batch_and_no_request_ends_the_server():
    parameters = batching.read_parameters(SERVING / "batching_parameters.txt")
    assert limits.WARMUP_BATCH_SIZES == serving_run.BATCH_SIZES
    assert limits.WARMUP_BATCH_SIZES[-1] == parameters.max_batch_size
    # With allowed sizes the server repeats the last request's first row, and ends where there is none.
    assert parameters.allowed_batch_sizes == ()


def test_models_config_parses():
    message = text_format.Parse((SERVING / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    (model,) = message.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("opec_net", "/models/opec_net", "tensorflow")


def test_a_pod_has_ten_minutes_to_start_before_the_other_probes():
    text = (SERVING / "kubernetes.yaml").read_text()
    probes = dict(re.findall(r"^ {10}(\w+)Probe:\n((?: {12}.*\n)+)", text, re.MULTILINE))
    assert set(probes) == {"startup", "readiness", "liveness"} and "initialDelaySeconds" not in text
    tries, period = re.search(r"failureThreshold: (\d+)\n +periodSeconds: (\d+)\n", probes["startup"]).groups()
    assert int(tries) * int(period) == 600


def test_the_server_is_not_process_1_and_ends_on_sigterm():
    assert re.search(r"^  init: true$", (SERVING / "docker-compose.yaml").read_text(), re.MULTILINE)
    assert re.search(r"^ {6}shareProcessNamespace: true$", (SERVING / "kubernetes.yaml").read_text(), re.MULTILINE)


def test_both_deployments_start_the_server_alike():
    for name in ("docker-compose.yaml", "kubernetes.yaml"):
        found = re.findall(r"^ +- (--\S+)$", (SERVING / name).read_text(), re.MULTILINE)
        assert found == ARGUMENTS, name
