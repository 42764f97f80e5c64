"""Pictures of timings: that their lines are the numbers."""

import cv2
import numpy as np

from opec_tf.evaluation import plots
from opec_tf.study import speed_plots


def test_growth(tmp_path, monkeypatch):
    axes = []
    save = plots.save
    monkeypatch.setattr(plots, "save", lambda figure, path: (axes.extend(figure.axes), save(figure, path)))
    results = [{"people": count, "median_s": 0.1 * count, "peak_memory_mb": 900.0} for count in (1, 2, 4)]
    results.append({"images": 10, "median_s": 3.0, "peak_memory_mb": 400.0})
    speed_plots.plot_growth({"people": "people in a picture", "images": "images"}, results, tmp_path / "growth.png")
    assert cv2.imread(str(tmp_path / "growth.png")).shape == (638, 880, 3)
    assert [axis.get_title() for axis in axes] == ["people in a picture", "images", "", ""]
    # In proportion, the dashed line lies on the measured one.
    for line in axes[0].lines:
        np.testing.assert_allclose(line.get_xydata(), [[1, 0.1], [2, 0.2], [4, 0.4]])
    assert axes[3].lines[0].get_xydata().tolist() == [[10, 400]]
