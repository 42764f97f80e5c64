import threading

import grpc
import numpy as np
import pytest
import serving_run

from opec_tf.common.errors import UserError
from opec_tf.serving.model_server import batching
from opec_tf.serving.model_server.batching import Batcher, BatchingParameters, read_parameters
from opec_tf.serving.model_server.server import ModelServer
from opec_tf.serving.model_server.statuses import ServingError, invalid
from opec_tf.serving.pose_client import PoseClient

pytestmark = pytest.mark.slow


def test_parameters_file(tmp_path):
    path = tmp_path / "batching.txt"
    path.write_text(
        "# a comment\nmax_batch_size { value: 8 }\nbatch_timeout_micros{value:2000}\n"
        "max_enqueued_batches { value: 3 } num_batch_threads { value: 1 }\n"
        "allowed_batch_sizes: 4\nallowed_batch_sizes: 8\n"
    )
    assert read_parameters(path) == BatchingParameters(8, 2000, 3, 1, (4, 8))


@pytest.mark.parametrize(
    "text, message",
    [
        ("max_batch_size: 8", "'max_batch_size' is not understood"),
        ("max_batch_size { value: many }", "'max_batch_size' is not understood"),
        ("largest { value: 8 }", "'largest' is not understood"),
        ("allowed_batch_sizes { value: 8 }", "'allowed_batch_sizes' is not understood"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", "must ascend and end with max_batch_size"),
        ("max_batch_size { value: 4 } allowed_batch_sizes: 8 allowed_batch_sizes: 4", "must ascend"),
        ("max_batch_size { value: 0 }", "must be above 0"),
        ("{", "'{' is not understood"),
    ],
)
def test_bad_parameters_file(tmp_path, text, message):
    (tmp_path / "batching.txt").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_parameters(tmp_path / "batching.txt")
    assert "batching.txt: " in str(error.value)


def run_together(batcher, requests):
    """Sends requests at the same time; returns the answers or errors."""
    answers = [None] * len(requests)

    def ask(index):
        try:
            answers[index] = batcher({"x": requests[index]})["y"]
        except ServingError as error:
            answers[index] = error

    threads = [threading.Thread(target=ask, args=[index]) for index in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_requests_share_a_batch_that_is_filled_up():
    sizes = []

    def run(inputs):
        sizes.append(len(inputs["x"]))
        return {"y": 2 * inputs["x"]}

    batcher = Batcher(run, BatchingParameters(8, 300_000, 4, 1, (4, 8)))
    answers = run_together(batcher, [np.full([rows, 2], float(rows)) for rows in (1, 2, 3)])
    for rows, answer in zip((1, 2, 3), answers):
        np.testing.assert_array_equal(answer, np.full([rows, 2], 2.0 * rows))
    assert sizes == [8]
    batcher.close()


def test_one_bad_row_fails_its_whole_batch():
    def run(inputs):
        if (inputs["x"] < 0).any():
            raise invalid("below zero")
        return {"y": inputs["x"]}

    batcher = Batcher(run, BatchingParameters(2, 300_000, 4, 1))
    answers = run_together(batcher, [np.array([1.0]), np.array([-1.0])])
    assert [answer.message for answer in answers] == ["below zero"] * 2
    np.testing.assert_array_equal(batcher({"x": np.array([1.0, 2.0])})["y"], [1.0, 2.0])
    batcher.close()


def test_a_fault_in_a_batch_is_answered_and_the_next_one_runs():
    faults = [RuntimeError("out of order")]

    def run(inputs):
        if faults:
            raise faults.pop()
        return {"y": inputs["x"]}

    batcher = Batcher(run, BatchingParameters(2, 300_000, 4, 1))
    for answer in run_together(batcher, [np.zeros(1), np.zeros(1)]):
        assert answer.code is grpc.StatusCode.INTERNAL and answer.message == "RuntimeError: out of order"
    np.testing.assert_array_equal(batcher({"x": np.array([1.0, 2.0])})["y"], [1.0, 2.0])
    batcher.close()


def test_requests_of_differing_shapes_cannot_share_one():
    batcher = Batcher(lambda inputs: {"y": inputs["x"]}, BatchingParameters(2, 300_000, 4, 1))
    answers = run_together(batcher, [np.zeros([1, 2]), np.zeros([1, 3])])
    for answer in answers:
        assert answer.code is grpc.StatusCode.FAILED_PRECONDITION and "padding is turned off" in answer.message
    batcher.close()


def test_the_queue_is_bounded_and_large_requests_are_refused():
    entered, release = threading.Event(), threading.Event()

    def run(inputs):
        entered.set()
        release.wait()
        return {"y": inputs["x"]}

    batcher = Batcher(run, BatchingParameters(1, 0, 1, 1))
    with pytest.raises(ServingError, match="Task size 2 is larger than maximum input batch size 1"):
        batcher({"x": np.zeros(2)})
    with pytest.raises(ServingError, match=r"^Batching Run\(\) input tensors must have equal 0th-dimension size$"):
        batcher({"x": np.zeros(1), "z": np.zeros(2)})
    with pytest.raises(ServingError, match=r"^Batching Run\(\) input tensors must have at least one dimension$"):
        batcher({"x": np.zeros(1), "z": np.float32(2)})
    running = threading.Thread(target=run_together, args=[batcher, [np.zeros(1)]])
    running.start()
    entered.wait()
    waiting = threading.Thread(target=run_together, args=[batcher, [np.zeros(1)]])
    waiting.start()
    while not batcher._tasks:
        pass
    with pytest.raises(ServingError, match="queue to which this task was submitted is full") as error:
        batcher({"x": np.zeros(1)})
    assert error.value.code is grpc.StatusCode.UNAVAILABLE
    release.set()
    running.join()
    waiting.join()
    batcher.close()


@pytest.mark.slowest
def test_a_batching_server_answers_everyone_with_their_own(exported, server, cold, monkeypatch):
    joined, names, merge = [], set(), batching._merge

    def count(tasks, parameters):
        joined.append(len(tasks))
        names.update(tasks[0].inputs)
        return merge(tasks, parameters)

    monkeypatch.setattr(batching, "_merge", count)
    parameters = BatchingParameters(8, 200_000, 64, 2, serving_run.BATCH_SIZES)
    requests = [(serving_run.jpeg(seed % 3), serving_run.BOXES[seed % 2 :]) for seed in range(12)]
    answers = []
    with ModelServer(exported[1], batching=parameters) as batching_server:
        for asked in (server, batching_server):
            with PoseClient(f"127.0.0.1:{asked.port}", deadline=300) as client:
                answers.append(list(client.estimate_many(requests, in_flight=6)))
    for (_, boxes), alone, batched in zip(requests, *answers):
        assert alone.keypoints.shape == (len(boxes), 12, 3)
        np.testing.assert_allclose(batched.keypoints, alone.keypoints, atol=1e-2)
    assert sum(joined) == len(requests) and max(joined) > 1
    assert names == {"image_boxes:0", "image_image_bytes:0"}  # as the server's messages name inputs
