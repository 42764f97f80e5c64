"""Scores as text."""

from opec_tf.study import report_text


def test_table_has_a_row_a_pose_and_dashes_for_what_is_not_measured():
    lines = report_text.table(
        {"peak": {"AP": 0.5, "inv75": 0.25}, "pose_3": {"AP": 0.625, "AP_easy": -1.0}}
    ).splitlines()
    assert [line.split() for line in lines] == [
        ["pose", "AP", "easy", "inv75"],
        ["peak", "50.0", "-", "25.0"],
        ["pose_3", "62.5", "-", "-"],
    ]
    assert len(set(map(len, lines))) == 1


def test_visibility_is_told_of_the_last_pose_where_it_was_scored():
    scored = {
        "visibility_accuracy": 0.75,
        "visibility_recall_visible": 0.5,
        "visibility_ece": 0.125,
        "visibility_by_peak_accuracy": 0.25,
    }
    assert report_text.visibility_line({"peak": {}, "pose_3": scored}) == (
        "visibility: accuracy 75.0, recall visible 50.0, calibration error 12.5\n  by heatmap peak alone: accuracy 25.0"
    )
    assert report_text.visibility_line({"peak": scored, "pose_3": {"AP": 0.5}}) == ""
