"""Requests from 16 threads, every tenth malformed: good ones answered right, bad ones refused, memory flat.

2,000 to a server that runs each alone, 100,000 to one that batches.
"""

import concurrent.futures

import grpc
import numpy as np
import pytest
import serving_run

from opec_tf.serving import api
from opec_tf.serving.model_server.batching import BatchingParameters
from opec_tf.serving.model_server.server import ModelServer

_THREADS, _ROUNDS, _WARM = 16, 10, 2
_BATCHING = BatchingParameters(8, 2_000, 64, 2, serving_run.BATCH_SIZES)


def _resident_megabytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def _requests():
    """Three good requests and four bad ones, small: what is tested is the server."""
    crops = np.random.default_rng(0).uniform(0, 255, [3, 1, 64, 64, 3]).astype(np.float32)
    good = [api.predict_request(serving_run.NAME, "crops", {"crops": crop}) for crop in crops]
    good.append(
        api.predict_request(
            serving_run.NAME, "image", {"image_bytes": [serving_run.jpeg()], "boxes": serving_run.BOXES[None]}
        )
    )
    bad = [
        api.predict_request(serving_run.NAME, signature, inputs)
        for signature, inputs in (
            ("image", {"image_bytes": [serving_run.jpeg()[:200]], "boxes": serving_run.BOXES[None]}),
            ("image", {"image_bytes": [serving_run.jpeg()], "boxes": serving_run.BOXES[None] * np.nan}),
            ("crops", {"crops": -crops[0]}),
            ("crops", {"pixels": crops[0]}),
        )
    ]
    return good, bad


@pytest.mark.slowest
@pytest.mark.parametrize(("batching", "requests"), [(None, 2_000), (_BATCHING, 100_000)], ids=["alone", "batched"])
def test_soak(exported, batching, requests):
    good, bad = _requests()
    with (
        ModelServer(exported[1], batching=batching) as server,
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
