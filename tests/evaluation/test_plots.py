import cv2
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.evaluation import plots


def test_training_curves(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(
        "epoch,loss,val_loss,val_pose_3_AP,learning_rate\n"
        "0,2.0,2.5,,0.001\n1,1.0,1.6,0.3,0.0005\n1,0.9,1.5,0.4,0.0005\n"
    )
    plots.plot_training_curves({"base": log, "opec": log}, tmp_path / "curves.png")
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture.shape == (770, 1155, 3)  # loss, AP and learning rate of two stages
    assert picture.std() > 5
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".partial")] == []


def test_occlusion_curves(tmp_path):
    measures = {"people": 9, "oks": 0.5, "oks75": 0.25, "vis75": 0.5, "swap": 0.125}
    bins = [{"from": 0.0, "to": 0.5, **measures}, {"from": 0.5, "to": 1.0, "people": 0}]
    curve = {"all": measures, "hidden_share": bins, "pair_iou": bins}
    plots.plot_occlusion_curves({"base": curve, "OPEC-Net": curve}, tmp_path / "curves.png")
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture.shape == (682, 1595, 3)  # five measures over two levels
    assert picture.std() > 5


def test_ablation(tmp_path, monkeypatch):
    panels = {
        "AP": plots.AblationPanel(0.5, {"OPEC-Net": np.array([0.52, 0.55]), "gcn": np.array([0.51])}),
        "inv75": plots.AblationPanel(None, {"OPEC-Net": np.array([0.4, 0.5]), "gcn": np.array([])}),
    }
    captions = []
    save = plots.save
    monkeypatch.setattr(
        plots, "save", lambda figure, path: (captions.append(figure.get_supxlabel()), save(figure, path))
    )
    plots.plot_ablation({"test": panels}, tmp_path / "ablation.png")
    picture = cv2.imread(str(tmp_path / "ablation.png"))
    assert picture.shape == (204, 1210, 3) and picture.std() > 5
    assert captions[0].endswith("\nthe spread covers seeds after one base only, not other bases")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("", "has no epochs yet"),
        ("epoch,loss\n", "has no epochs yet"),
        ("epoch,loss\n0,much\n", "is not a training log"),
    ],
)
def test_training_curves_of_a_bad_log(tmp_path, content, message):
    log = tmp_path / "log.csv"
    if content is not None:
        log.write_text(content)
    with pytest.raises(UserError, match=message):
        plots.plot_training_curves({"base": log}, tmp_path / "curves.png")


def test_reliability(tmp_path):
    filled = {"from": 0.5, "to": 1.0, "joints": 3, "predicted": 0.7, "observed": 0.6}
    bins = [{"from": 0.0, "to": 0.5, "joints": 0}, filled]
    plots.plot_reliability({"likeliest": bins, "visible": bins}, tmp_path / "reliability.png")
    picture = cv2.imread(str(tmp_path / "reliability.png"))
    assert picture.shape == (528, 660, 3)  # two panels over two
    assert picture.std() > 5


def test_differences(tmp_path, monkeypatch):
    axes = []
    save = plots.save
    monkeypatch.setattr(plots, "save", lambda figure, path: (axes.extend(figure.axes), save(figure, path)))
    rows = {"OPEC-Net": (-0.01, 0.02, 0.03), "CoupleGraph": (0.01, 0.015, 0.02), "far": (-0.3, -0.2, -0.1)}
    plots.plot_differences({"test: AP": rows, "test: inv75": rows}, tmp_path / "differences.png")
    assert cv2.imread(str(tmp_path / "differences.png")).std() > 5
    for axis in axes:
        (bars,) = axis.containers
        np.testing.assert_allclose(bars.lines[0].get_xydata(), [[2.0, 0], [1.5, 1]])
        np.testing.assert_allclose([segment[:, 0] for segment in bars.lines[2][0].get_segments()], [[-1, 3], [1, 2]])
        assert [text.get_text() for text in axis.texts] == ["-20.0"] and axis.get_xlim() == pytest.approx((-3.3, 3.3))
    assert [label.get_text() for label in axes[0].get_yticklabels()] == list(rows) and axes[0].yaxis_inverted()
