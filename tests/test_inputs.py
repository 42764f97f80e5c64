"""Inputs as people have them, by the numbers of the list of those that were answered badly: what is said of each.

``ROWS`` holds those that need a reader and one line; ``ELSEWHERE`` says which tests have the others.
"""

import ast
import datetime
import json
import pathlib
import pickle

import checkpoint_files
import numpy as np
import pytest
import video_files
from tool_files import category, content, person

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig
from opec_tf.data.annotations import loading
from opec_tf.inference import frames, given_poses, person_boxes
from opec_tf.poses.skeletons import COCO17
from opec_tf.weights import conversion

TESTS = pathlib.Path(__file__).parent


def _annotations(path):
    """What the readers of a COCO file find: the ids of its people."""
    return loading.load(f'coco:"{path}":"{path.parent}"', "/").annotation_ids.tolist()


def _boxes(path):
    return len(person_boxes.read(str(path), np.array([1]), ["1.jpg"], COCO17))


def _poses(path):
    return len(given_poses.read(str(path), np.array([1]), ["1.jpg"], COCO17))


def _pictures(path):
    return len(frames.open_source(str(path), strict=False))


def _checkpoint(path):
    return conversion.convert(path, path.with_name("run"), ModelConfig(), [])


def _json(data):
    return lambda path: path.write_text(json.dumps(data))


def _of_classes(*classes):
    """A --boxes file."""
    record = {"image_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5}
    return _json([{**record, "category_id": number} for number in classes])


def _cut_video(path):
    """The first bytes of an MP4, whose index stands at its end: as sound alone it holds no picture."""
    whole = path.with_name("whole.mp4")
    video_files.write_video(whole, 9)
    path.write_bytes(whole.read_bytes()[:500])


def _hrnet_in_training(path):
    beside = [("optimizer", pickle.dumps(datetime.timedelta(1), 2))]
    checkpoint_files.write_zip(path, {"stage2.0.branches.0.0.conv1.weight": np.zeros(1, np.float32)}, "model", beside)


AS_CMU = {"1.jpg": {"version": "AlphaPose v0.3", "bodies": []}}
TWO_KINDS = content([person(1), person(2, category_id=2)], [category(1, "cat"), category(2, "dog")])
HORSES_ALONE = content([person(1, category_id=2)], [category(1, "person"), category(2, "horse")])

# What is said of them, without the "error: FILE: " before it.
TWO = "2 categories have joints (cat, dog) and none is named person; name the one of people so"
ZERO_BASED = (
    "is 0 a person, as where classes count from 0? then give --person_class=0 (predict, evaluate) or write 1 for it, "
    "else give --person_class=1"
)
NO_FRAME = "has no readable frame; is it whole, and has it a picture beside sound?"
BY_CMU = "is of AlphaPose's --format cmu or open; run it without --format, for COCO's form"
DEMO = "is of MMPose's demo script; take what its inferencer writes by --pred-out-dir"
HRNET = (
    "holds an HRNet, which is not read here; ResNets, AlphaPose's FastPose, SimpleBaseline's and MMPose's pose_resnet "
    "and MoveNet are (see --help)"
)
LEFT_OUT = "warning: FILE: only the network's tensors are read; left out, and never run: datetime.timedelta"

# Number, file, function that writes it, function that reads it, what that gives, and what is said; FILE is the file.
ROWS = [
    (3, "two_kinds.json", _json(TWO_KINDS), _annotations, None, [f"error: FILE: {TWO}"]),
    (
        3,
        "horses.json",
        _json(HORSES_ALONE),
        _annotations,
        None,
        ["error: FILE: no annotation has the 'category_id' 1 of person; check 'categories'"],
    ),
    (
        5,
        "zero_based.json",
        _of_classes(0, 0, 1),
        _boxes,
        None,
        [f"error: FILE: 'category_id' is 0 in 2 of 3 box records and 1 in 1; {ZERO_BASED}"],
    ),
    (
        5,
        "class_0_alone.json",
        _of_classes(0),
        _boxes,
        None,
        [f"error: FILE: 'category_id' is 0 in 1 of 1 box records and 1 in 0; {ZERO_BASED}"],
    ),
    (12, "cmu.json", _json(AS_CMU), _poses, None, [f"error: FILE: {BY_CMU}"]),
    (12, "demo.json", _json({"meta_info": {}, "instance_info": []}), _poses, None, [f"error: FILE: {DEMO}"]),
    (14, "sound.m4a", _cut_video, _pictures, None, [f"error: FILE: {NO_FRAME}"]),
    (14, "cut.mp4", _cut_video, _pictures, None, [f"error: FILE: {NO_FRAME}"]),
    (14, "cut.bin", _cut_video, _pictures, None, [f"error: FILE: {NO_FRAME}"]),
    (15, "hrnet.pth", _hrnet_in_training, _checkpoint, None, [LEFT_OUT, f"error: FILE: {HRNET}"]),
    (16, "a, b: c.json", _json(content([person(1), person(2)])), _annotations, [1, 2], []),
]


@pytest.mark.parametrize(("number", "name", "write", "read", "result", "said"), ROWS, ids=[row[1] for row in ROWS])
def test_an_input_and_what_is_said_of_it(tmp_path, caplog, number, name, write, read, result, said):
    path = tmp_path / name
    write(path)
    found, error = None, []
    try:
        found = read(path)
    except UserError as fault:
        error = [f"error: {fault}"]
    lines = [*(f"warning: {message}" for message in caplog.messages), *error]
    assert (found, [line.replace(str(path), "FILE") for line in lines]) == (result, said)


# Number -> tests that make the input and compare the result or the line.
ELSEWHERE = {
    1: ["inference/test_videos.py::test_frames_are_upright"],
    2: [
        "inference/test_videos.py::test_frames_are_read_until_there_is_none_whatever_is_announced",
        "inference/test_videos.py::test_a_file_that_breaks_off_is_said",
    ],
    3: [
        "data/test_annotations_of_tools.py::test_joint_names_are_those_of_the_category_of_people",
        "data/test_annotations_of_tools.py::test_names_are_matched_whatever_their_case_hyphens_and_blanks",
    ],
    4: ["data/test_annotations_of_tools.py::test_an_area_of_0_or_none_is_the_boxs"],
    5: ["inference/test_person_boxes.py::test_classes_that_are_no_people_are_counted"],
    6: [
        "data/test_annotations_of_tools.py::test_boxes_that_can_only_be_corners_are_refused",
        "inference/test_person_boxes.py::test_boxes_that_can_only_be_corners_are_refused",
    ],
    7: [
        "common/test_files.py::test_a_name_that_is_a_pattern_to_tensorflow_is_refused",
        "training/test_loop.py::test_a_workdir_that_is_a_pattern_to_tensorflow_is_refused_at_the_start",
        "serving/test_exporting.py::test_a_folder_that_is_a_pattern_to_tensorflow_is_neither_written_nor_served",
    ],
    8: [
        "data/test_turned_pictures.py::test_many_turned_pictures_are_looked_at_by_one_trace",
        "data/test_turned_pictures.py::test_training_crops_are_upright_without_retracing",
    ],
    9: [
        "common/test_cli.py::test_warnings_are_one_plain_line_and_others_noise_is_for_verbosity",
        "common/test_cli.py::test_ffmpegs_noise_is_for_verbosity",
    ],
    10: [
        "serving/test_client_retries.py::test_the_port_of_the_other_kind_is_said",
        "serving/test_client_retries.py::test_a_target_with_a_scheme_or_path_is_refused",
        "serving/test_client_retries.py::test_no_proxy_is_between_this_machine_and_itself",
        "serving/test_client_retries.py::test_a_proxy_that_leads_nowhere_is_named_without_its_password",
    ],
    11: [
        "test_score.py::test_nobody_is_an_ap_of_0_and_other_systems_files_are_read",
        "test_score.py::test_a_coco_file_without_a_protocol_is_told_which_to_name",
    ],
    12: [
        "poses/test_result_files.py::test_alphapose",
        "poses/test_result_files.py::test_alphapose_of_a_video",
        "poses/test_result_files.py::test_openpose",
        "poses/test_result_files.py::test_mmpose",
        "poses/test_result_files.py::test_detectron2",
    ],
    13: [
        "data/test_annotations_of_tools.py::test_a_missing_box_is_that_around_the_labelled_joints",
        "data/test_annotations_of_tools.py::test_a_crowd_may_be_true_or_false",
        "data/test_annotations_of_tools.py::test_an_empty_list_of_joints_is_unlabelled",
        "data/test_image_files.py::test_bad_file_is_counted_or_an_error",
    ],
    14: [
        "inference/test_frames.py::test_webp_and_tiff_are_pictures",
        "inference/test_frames.py::test_what_lies_beside_pictures_is_said",
        "inference/test_frames.py::test_several_videos_are_one_after_the_other",
    ],
    15: [
        "weights/test_pytorch_file.py::test_other_objects_beside_the_network_are_left_out",
        "weights/test_pytorch_file.py::test_code_beside_the_network_does_not_run",
        "weights/test_recognition.py::test_other_networks_are_refused_by_their_name",
    ],
    16: ["common/test_flags.py::test_a_comma_between_double_quotes_is_a_paths_own"],
    17: [
        "data/test_image_files.py::test_a_file_that_vanished_is_called_missing",
        "serving/model_server/test_model_server.py::test_a_folder_without_versions_says_what_is_waited_for",
        "common/test_files.py::test_a_new_folder_goes_again_where_its_block_fails",
    ],
    20: ["serving/test_exporting.py::test_nobody_is_zeros_in_a_fresh_process"],
    21: ["serving/test_client_retries.py::test_a_server_of_few_threads_answers_all_of_many"],
    22: ["serving/test_serving_files.py::test_warmup_goes_up_to_the_largest_batch_and_no_request_ends_the_server"],
    23: ["serving/model_server/test_model_server.py::test_versions_are_taken_up_and_a_broken_one_is_not"],
    24: ["serving/test_serving_files.py::test_the_server_is_not_process_1_and_ends_on_sigterm"],
    25: [
        "serving/model_server/test_rest.py::test_rest_refuses",
        "serving/model_server/test_rest.py::test_outside_the_api_is_nothing",
        "serving/model_server/test_model_server.py::test_status_and_its_refusals",
    ],
    26: [
        "serving/model_server/test_model_server.py::test_predict_refuses",
        "serving/test_exporting.py::test_nobody_is_zeros_in_a_fresh_process",
    ],
    27: [
        "common/test_cli.py::test_the_example_of_what_is_missing_is_the_sub_commands",
        "common/test_cli.py::test_help_shows_what_one_needs_first_then_groups_and_switches_of_research_last",
    ],
    28: [
        "test_evaluate.py::test_the_data_of_the_run_are_remembered",
        "study/test_study_tables.py::test_what_is_printed_are_the_rows_asked_for",
        "test_benchmark.py::test_tool_writes_a_table_and_json",
    ],
}


def test_every_number_has_its_tests():
    assert sorted(ELSEWHERE) == [*range(1, 18), *range(20, 29)] and {row[0] for row in ROWS} <= set(ELSEWHERE)
    for path, name in (test.split("::") for tests in ELSEWHERE.values() for test in tests):
        defined = ast.parse((TESTS / path).read_text(encoding="utf-8")).body
        assert name in [node.name for node in defined if isinstance(node, ast.FunctionDef)], (path, name)
