"""The files of serving/: they parse, agree with each other and with what the code writes."""

import pathlib
import re

import pytest
import serving_run
from google.protobuf import text_format

from opec_tf import export, flags
from opec_tf.model_server import batching

SERVING = pathlib.Path(__file__).resolve().parents[1] / "serving"
# TensorFlow Serving's command line, as both deployments give it.
ARGUMENTS = [
    "--port=8500", "--rest_api_port=8501", "--model_config_file=/serving/models.config",
    "--monitoring_config_file=/serving/monitoring.config", "--enable_batching",
    "--batching_parameters_file=/serving/batching_parameters.txt",
]  # fmt: skip


def test_warmup_covers_the_batch_sizes_that_the_server_allows():
    parameters = batching.read_parameters(SERVING / "batching_parameters.txt")
    assert parameters.allowed_batch_sizes == serving_run.BATCH_SIZES
    assert export and tuple(map(int, flags.FLAGS["warmup_batch_sizes"].default)) == parameters.allowed_batch_sizes


def test_models_config_parses():
    config = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    message = text_format.Parse((SERVING / "models.config").read_text(), config.ModelServerConfig())
    (model,) = message.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("opec_net", "/models/opec_net", "tensorflow")


def test_deployments_start_the_server_alike():
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((SERVING / "docker-compose.yaml").read_text())
    assert {name: service["image"] for name, service in compose["services"].items()} == {
        "cpu": "tensorflow/serving:2.15.1", "gpu": "tensorflow/serving:2.15.1-gpu",
    }  # fmt: skip
    assert all(service["command"] == ARGUMENTS for service in compose["services"].values())
    assert all(port.startswith("127.0.0.1:") for port in compose["services"]["cpu"]["ports"])
    deployment, service, autoscaler = yaml.safe_load_all((SERVING / "kubernetes.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ARGUMENTS and "/v1/models/opec_net" in container["readinessProbe"]["exec"]["command"][2]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert autoscaler["kind"] == "HorizontalPodAutoscaler"
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_the_same_arguments_without_a_yaml_parser():
    for name in ("docker-compose.yaml", "kubernetes.yaml"):
        found = re.findall(r"^ +- (--\S+)$", (SERVING / name).read_text(), re.MULTILINE)
        assert found == ARGUMENTS, name
