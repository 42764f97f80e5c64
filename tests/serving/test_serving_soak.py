"""Requests from 16 threads, every tenth malformed: good ones answered right, bad ones refused, memory flat.

2,000 to a server that runs each alone, 100,000 to one that batches. One bad row fails the whole batch that it came in
(serving/README.md), so that to this one only such are sent as are refused before they join one.
"""

import concurrent.futures
import pathlib

import grpc
import numpy as np
import pytest
import serving_run

from opec_tf.serving import api
from opec_tf.serving.model_server import batching
from opec_tf.serving.model_server.server import ModelServer

_THREADS, _ROUNDS, _WARM = 16, 10, 2
_BATCHING = batching.read_parameters(pathlib.Path(__file__).parents[2] / "serving" / "batching_parameters.txt")


def _resident_megabytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def _requests(joined):
    """Four good requests, and bad ones, of which none fails others that it is joined with; small: what is tested is the
    server."""
    crops = np.random.default_rng(0).uniform(0, 255, [3, 1, 64, 64, 3]).astype(np.float32)
    good = [api.predict_request(serving_run.NAME, "crops", {"crops": crop}) for crop in crops]
    good.append(
        api.predict_request(
            serving_run.NAME, "image", {"image_bytes": [serving_run.jpeg()], "boxes": serving_run.BOXES[None]}
        )
    )
    refused_early = [
        ("crops", {"pixels": crops[0]}),
        ("crops", {"crops": crops[0], "boxes": serving_run.BOXES}),
    ]
    refused_late = [
        ("image", {"image_bytes": [serving_run.jpeg()[:200]], "boxes": serving_run.BOXES[None]}),
        ("image", {"image_bytes": [serving_run.jpeg()], "boxes": serving_run.BOXES[None] * np.nan}),
        ("crops", {"crops": -crops[0]}),
    ]
    bad = refused_early if joined else refused_early + refused_late
    return good, [api.predict_request(serving_run.NAME, signature, inputs) for signature, inputs in bad]


@pytest.mark.slowest
@pytest.mark.parametrize(("parameters", "requests"), [(None, 2_000), (_BATCHING, 100_000)], ids=["alone", "batched"])
def test_soak(exported, parameters, requests):
    good, bad = _requests(joined=parameters is not None)
    with (
        ModelServer(exported[1], batching=parameters) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        concurrent.futures.ThreadPoolExecutor(_THREADS) as pool,
    ):
        predict = api.prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        expected = [api.to_array(predict(message, timeout=300).outputs["keypoints"]) for message in good]

        def ask(number):
            if number % 10 == 9:
                try:
                    predict(bad[number // 10 % len(bad)], timeout=300)
                except grpc.RpcError as error:
                    return error.code() is grpc.StatusCode.INVALID_ARGUMENT
                return False
            which = number % len(good)
            answer = api.to_array(predict(good[which], timeout=300).outputs["keypoints"])
            return bool(np.allclose(answer, expected[which], atol=1e-2))

        # A thread has its share of the requests and no list of what is to come, which would take memory, too.
        shares = [range(start, requests // _ROUNDS, _THREADS) for start in range(_THREADS)]
        megabytes = []
        for _ in range(_ROUNDS):
            right = list(pool.map(lambda share: sum(map(ask, share)), shares))
            assert sum(right) == requests // _ROUNDS
            megabytes.append(_resident_megabytes())
    assert max(megabytes[_WARM:]) - megabytes[_WARM - 1] < 60, megabytes
