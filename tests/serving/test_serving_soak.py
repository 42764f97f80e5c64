"""2,000 requests from 16 threads, every tenth malformed: good ones answered right, bad ones refused, memory flat."""

import concurrent.futures

import grpc
import numpy as np
import pytest
import serving_run

from opec_tf.serving import api

_REQUESTS, _THREADS, _WARM = 2000, 16, 400


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
def test_soak(server):
    good, bad = _requests()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
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

        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            right = list(pool.map(ask, range(_WARM)))
            before = _resident_megabytes()
            right += pool.map(ask, range(_WARM, _REQUESTS))
            grown = _resident_megabytes() - before
    assert right == [True] * _REQUESTS
    assert grown < 60
