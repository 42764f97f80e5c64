import numpy as np
import pytest
import tensorflow as tf

from opec_tf.poses import decoding, geometry

SIZE = (20, 16)


def render(points, sigma=2.0, size=SIZE):
    """Gaussians of height 1 at points [K, 2] (x, y, cells) -> heatmaps [1, h, w, K]."""
    x, y = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    maps = [np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points]
    return np.stack(maps, -1)[None].astype(np.float32)


def decode(heatmaps, refinement, **settings):
    """Peaks in cells [K, 2] and scores [K] of the first example."""
    points, scores = decoding.decode_peaks(tf.constant(heatmaps), refinement, **settings)
    return geometry.denormalize(points, heatmaps.shape[1:3]).numpy()[0], scores.numpy()[0]


@pytest.fixture
def points():
    random = np.random.default_rng(0)
    return random.uniform([5.0, 5.0], [SIZE[1] - 6.0, SIZE[0] - 6.0], [200, 2])


def test_none_gives_the_nearest_cell_and_its_value(points):
    found, scores = decode(render(points), "none")
    np.testing.assert_allclose(found, np.round(points), atol=1e-5)
    distance = np.sum((points - np.round(points)) ** 2, axis=-1)
    np.testing.assert_allclose(scores, np.exp(-distance / 8.0), rtol=1e-5)


def test_quarter_is_a_quarter_cell_towards_the_higher_neighbour(points):
    found, _ = decode(render(points), "quarter")
    np.testing.assert_allclose(found, np.round(points) + 0.25 * np.sign(points - np.round(points)), atol=1e-5)
    assert np.abs(found - points).max() <= 0.2501


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0])
def test_dark_recovers_sub_cell_positions(points, sigma):
    found, scores = decode(render(points, sigma), "dark")
    assert np.abs(found - points).max() < 0.02
    np.testing.assert_array_equal(scores, decode(render(points, sigma), "none")[1])


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0, 1.5])
def test_dark_recovers_sub_cell_positions_whatever_it_smooths_by(points, smoothing):
    found, _ = decode(render(points, 1.5), "dark", smoothing=smoothing)
    assert np.abs(found - points).max() < 0.02


def test_smoothing_moves_a_peak_towards_its_neighbour():
    """Two people's joints two and a half cells apart: the less is smoothed the nearer to itself the higher is found."""
    heatmaps = render([[6.0, 9.0]], 1.0) + 0.6 * render([[8.5, 9.0]], 1.0)
    found = [decode(heatmaps, "dark", smoothing=sigma)[0][0] for sigma in (0.0, 1.0, 2.0)]
    np.testing.assert_allclose([y for _, y in found], 9.0, atol=0.01)
    assert 6.0 < found[0][0] < found[1][0] - 0.05 < found[2][0] - 0.1


def test_dark_near_and_at_the_border():
    edge = np.array(
        [[0.3, 9.6], [-0.4, 4.2], [15.4, 10.0], [7.7, 0.2], [0.2, 0.3], [15.2, 19.1], [2.4, 8.0], [8.2, 3.6]]
    )
    found, _ = decode(render(edge), "dark")
    assert np.abs(found - edge).max() < 0.02


def test_dark_on_the_whole_map_stays_within_a_tenth():
    random = np.random.default_rng(1)
    anywhere = random.uniform([-0.4, -0.4], [SIZE[1] - 0.6, SIZE[0] - 0.6], [2000, 2])
    found, _ = decode(render(anywhere), "dark")
    assert np.abs(found - anywhere).max() < 0.1


def test_dark_ignores_noise_that_moves_the_quarter_rule(points):
    noise = np.random.default_rng(2).normal(0.0, 0.02, [1, *SIZE, len(points)]).astype(np.float32)
    error = {rule: np.abs(decode(render(points) + noise, rule)[0] - points).mean() for rule in decoding.REFINEMENTS}
    assert error["dark"] < 0.6 * error["quarter"] < 0.6 * error["none"]


def test_quarter_leaves_the_axis_at_the_border():
    found, _ = decode(render([[-0.3, 7.4], [15.3, 7.4], [6.4, 19.2]]), "quarter")
    np.testing.assert_allclose(found, [[0.0, 7.25], [15.0, 7.25], [6.25, 19.0]], atol=1e-5)


@pytest.mark.parametrize("refinement", decoding.REFINEMENTS)
@pytest.mark.parametrize("level", [0.0, 0.7, -1.0])
def test_flat_map_gives_the_first_cell(refinement, level):
    found, scores = decode(np.full([1, *SIZE, 2], level, np.float32), refinement)
    np.testing.assert_allclose(found, np.zeros([2, 2]), atol=1e-5)
    np.testing.assert_allclose(scores, [level, level])


@pytest.mark.parametrize("refinement", decoding.REFINEMENTS)
def test_single_hot_cell_with_negative_surroundings(refinement):
    heatmaps = np.full([1, *SIZE, 1], -0.5, np.float32)
    heatmaps[0, 9, 4] = 0.8
    found, scores = decode(heatmaps, refinement)
    np.testing.assert_allclose(found, [[4.0, 9.0]], atol=1e-3)
    np.testing.assert_allclose(scores, [0.8])


def candidates(heatmaps, count=3, **settings):
    """Candidates in cells [K, M, 2] and scores [K, M] of the first example."""
    points, scores = decoding.decode_candidates(tf.constant(heatmaps), "dark", count, **settings)
    return geometry.denormalize(points, heatmaps.shape[1:3]).numpy()[0], scores.numpy()[0]


def test_candidates_are_the_peaks_to_the_fraction_of_a_cell():
    """Three people's joints in one map, the highest first; a second map has one."""
    places, heights = [[4.3, 4.6], [11.6, 15.2], [11.7, 5.4]], np.array([0.3, 0.9, 0.5], np.float32)
    maps = render(places, sigma=1.2)
    heatmaps = np.concatenate([np.sum(heights * maps, axis=-1, keepdims=True), 0.2 * maps[..., :1]], axis=-1)
    found, scores = candidates(heatmaps)
    np.testing.assert_allclose(found[0], [places[1], places[2], places[0]], atol=0.1)
    np.testing.assert_allclose(scores[0], np.sort(heights * maps.max(axis=(0, 1, 2)))[::-1], rtol=1e-3)
    np.testing.assert_allclose(found[1], [places[0]] * 3, atol=0.05)
    np.testing.assert_array_equal(scores[1, 1:], 0.0)
    # The first is the base's own pose; of the others those count that exceed the threshold.
    peaks, heights = decode(heatmaps, "dark")
    np.testing.assert_array_equal(found[:, 0], peaks)
    np.testing.assert_array_equal(scores[:, 0], heights)
    np.testing.assert_array_equal(candidates(heatmaps, threshold=0.4)[1][0] > 0, [True, True, False])


@pytest.mark.parametrize("level", [0.0, -1.0])
def test_candidates_of_an_empty_map_are_its_peak(level):
    heatmaps = np.full([1, *SIZE, 1], level, np.float32)
    found, scores = candidates(heatmaps)
    np.testing.assert_allclose(found, np.zeros([1, 3, 2]), atol=1e-5)
    np.testing.assert_allclose(scores, [[level, 0.0, 0.0]])


def test_candidates_compile_under_xla(points):
    heatmaps = tf.constant(render(points) + 0.5 * render(points[::-1]))
    compiled = tf.function(decoding.decode_candidates, jit_compile=True)
    for actual, expected in zip(compiled(heatmaps, "dark", 2), decoding.decode_candidates(heatmaps, "dark", 2)):
        assert actual.shape[:3] == (1, 200, 2)
        np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize("refinement", decoding.REFINEMENTS)
def test_xla_equals_eager_and_mirrors_exactly(points, refinement):
    heatmaps = tf.constant(render(points) + 0.01)
    compiled = tf.function(decoding.decode_peaks, jit_compile=True)
    expected, scores = decoding.decode_peaks(heatmaps, refinement)
    actual, actual_scores = compiled(heatmaps, refinement)
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    np.testing.assert_allclose(actual_scores, scores)
    mirrored, _ = decoding.decode_peaks(heatmaps[:, :, ::-1], refinement)
    np.testing.assert_allclose(mirrored.numpy() * [-1, 1], expected, atol=1e-4)


def test_unknown_refinement_is_refused():
    with pytest.raises(ValueError, match="nearest"):
        decoding.decode_peaks(tf.zeros([1, 8, 8, 1]), "nearest")
