import numpy as np
import pytest

from opec_tf.inference.detectors import yolo_outputs

SIZE = (64, 96)  # 8 x 12, 4 x 6 and 2 x 3 cells: 96 + 24 + 6


def test_grid_cells_run_row_by_row_from_fine_to_coarse():
    corners, sides = yolo_outputs.grid_cells(SIZE, (8, 16, 32))
    assert len(corners) == len(sides) == 126
    np.testing.assert_array_equal(
        corners[[0, 1, 12, 95, 96, 102, 125]],
        [
            [0, 0],
            [8, 0],
            [0, 8],
            [88, 56],
            [0, 0],
            [0, 16],
            [64, 32],
        ],
    )
    np.testing.assert_array_equal(sides[[0, 95, 96, 119, 120, 125], 0], [8, 8, 16, 16, 32, 32])


def test_yolox():
    output = np.zeros([1, 126, 7], np.float32)
    output[0, 13] = [0.5, 0.25, np.log(2), np.log(3), 0.5, 0.1, 0.8]  # the cell of 8 at (8, 8)
    output[0, 125] = [-0.5, 1.5, 0, 99, 1.0, 0.3, 0.6]  # the cell of 32 at (64, 32), with a height beyond reason
    boxes, scores = yolo_outputs.decode_yolox([output], SIZE, class_index=1)
    # Centre (8 + 4, 8 + 2), size 16 x 24.
    np.testing.assert_allclose(boxes[13], [4, -2, 16, 24], rtol=1e-6)
    np.testing.assert_allclose([boxes[125, 0], boxes[125, 2]], [64 - 16 - 16, 32], rtol=1e-6)
    assert np.isfinite(boxes).all()
    np.testing.assert_allclose(scores[[0, 13, 125]], [0, 0.4, 0.6], rtol=1e-6)


def test_yolov5_and_yolov8_give_pixels():
    rows = np.array([[30, 20, 10, 8, 0.5, 0.2, 0.9], [1, 2, 2, 2, 1.0, 0.4, 0.0]], np.float32)
    boxes, scores = yolo_outputs.decode_yolov5([rows[None]], SIZE, class_index=0)
    np.testing.assert_allclose(boxes, [[25, 16, 10, 8], [0, 1, 2, 2]])
    np.testing.assert_allclose(scores, [0.1, 0.4], rtol=1e-6)
    boxes, scores = yolo_outputs.decode_yolov8([rows.T[None]], SIZE, class_index=2)
    np.testing.assert_allclose(boxes, [[25, 16, 10, 8], [0, 1, 2, 2]])
    np.testing.assert_allclose(scores, [0.9, 0.0], rtol=1e-6)


def test_darknet_gives_shares_of_the_input_in_several_outputs():
    outputs = [np.array([[0.5, 0.5, 0.25, 0.5, 0.9, 0.1, 0.7]]), np.array([[0.25, 0.5, 0.5, 0.25, 0.9, 0.6, 0]])]
    boxes, scores = yolo_outputs.decode_darknet(outputs, SIZE, class_index=0)
    np.testing.assert_allclose(boxes, [[36, 16, 24, 32], [0, 24, 48, 16]])
    np.testing.assert_allclose(scores, [0.1, 0.6])


@pytest.mark.parametrize(
    ("shapes", "size", "expected"),
    [
        ([(1, 3549, 85)], (416, 416), (yolo_outputs.YOLOX, 80)),
        ([(1, 8400, 6)], (640, 640), (yolo_outputs.YOLOX, 1)),
        ([(1, 25200, 85)], (640, 640), (yolo_outputs.YOLOV5, 80)),
        ([(1, 25500, 85)], (640, 640), (yolo_outputs.YOLOV5, 80)),  # with a fourth grid
        ([(1, 84, 8400)], (640, 640), (yolo_outputs.YOLOV8, 80)),
        ([(1, 5, 126)], SIZE, (yolo_outputs.YOLOV8, 1)),
        ([(1, 300, 6)], (640, 640), None),
        ([(1, 3549, 85)], (640, 640), None),
        ([(1, 1000)], (224, 224), None),
        ([(2, 84, 8400)], (640, 640), None),
        ([(1, 84, 8400), (1, 32, 160, 160)], (640, 640), None),
    ],
)
def test_the_family_follows_from_the_shapes(shapes, size, expected):
    assert yolo_outputs.family_of(shapes, size) == expected
