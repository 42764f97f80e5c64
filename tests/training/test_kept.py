"""What is kept of a base's body: it takes the place of crops, goes on when broken off, and belongs to its settings."""

import dataclasses

import numpy as np
import pytest
import stick_couples
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.inference import pose_model
from opec_tf.models import builders, loading, workdir
from opec_tf.training import kept, loop

pytestmark = pytest.mark.slow

MODEL = ModelConfig(
    crop_height=64,
    crop_width=64,
    trunk="movenet_lightning",
    adaption_channels=(4, 4, 4),
    graph_channels=4,
    block_channels=4,
    couple_candidates=0,
)


@pytest.fixture(scope="module")
def base_weights(tmp_path_factory):
    """A workdir's finished base of random weights."""
    root = tmp_path_factory.mktemp("base")
    tf.keras.utils.set_random_seed(3)
    workdir.start(root, MODEL)
    folder = workdir.stage_folder(root, "base")
    workdir.save_weights(builders.build_base(MODEL), folder.best_weights)
    return str(folder.best_weights)


@pytest.fixture(scope="module")
def sticks(tmp_path_factory):
    """Four couples, and two people who are alone in their picture."""
    folder = stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=4)
    return DataConfig(data_root=str(folder), train_data=(stick_couples.SOURCE,), val_data=(stick_couples.SOURCE,))


def _train(root, sticks, base_weights, **changes):
    train_config = TrainConfig(
        stages=("base",), base_weights=base_weights, kept_passes=2, batch_size=4, base_epochs=1, learning_rate=1e-3
    )
    loop.train(root, MODEL, sticks, dataclasses.replace(train_config, **changes), InferenceConfig())


def test_a_network_on_what_is_kept_is_the_network_on_crops():
    whole = builders.NETWORKS["couple"](MODEL)
    on_kept = builders.NETWORKS["couple"](MODEL, kept=True)
    loading.copy_weights(whole.model, on_kept.model)
    crops = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    pair = {"crop_to_image": tf.eye(2, 3, [2]), "partner": tf.constant([1, 0])}
    expected = whole.model({"crops": crops, **pair})
    got = on_kept.model({**builders.body_of(whole.base)(crops), **pair})
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.slowest
def test_the_rest_learns_and_the_body_stays(tmp_path, sticks, base_weights):
    _train(tmp_path / "run", sticks, base_weights)
    before = builders.NETWORKS["base"](MODEL)
    workdir.load_weights(before.model, base_weights)
    after = pose_model.load(tmp_path / "run").network.get_layer("base")
    same = {
        layer.name: all(map(np.array_equal, layer.get_weights(), after.get_layer(layer.name).get_weights()))
        for layer in before.base.layers
        if layer.weights
    }
    body = {layer.name for layer in builders.body_of(before.base).layers}
    # Nothing is asked of the map of middles.
    assert {name for name, is_same in same.items() if is_same} - {name for name in same if name[:6] == "center"} == (
        body & same.keys()
    )
    arrays = {path.stem: np.load(path) for path in (tmp_path / "run/kept/couples").glob("*.npy")}
    assert {name: len(array) for name, array in arrays.items()} == dict.fromkeys(
        ("C4", "L3", "L2", "joints", "crop_to_image"), 16
    )


@pytest.mark.slowest
def test_broken_off_it_goes_on_and_ends_the_same(tmp_path, sticks, monkeypatch):
    monkeypatch.setattr(kept, "_BATCH_SIZE", 4)
    monkeypatch.setattr(kept, "_SAVED_ROWS", 4)
    crops = tf.keras.Input((8, 8, 3))
    body = tf.keras.Model(crops, {"C4": tf.keras.layers.AveragePooling2D(4)(crops)})

    def batches(batch_size, seed, broken=False):
        data = tf.data.Dataset.range(100).map(
            lambda i: (tf.fill([batch_size, 8, 8, 3], tf.cast(i, tf.float32)), tf.fill([batch_size, 2, 4], float(seed)))
        )
        return data.take(2) if broken else data

    whole = {"singles": kept.Part(batches, 14)}
    kept.make(tmp_path / "whole", body, whole, {}, seed=5)
    broken = {"singles": kept.Part(lambda **settings: batches(**settings, broken=True), 14)}
    kept.make(tmp_path / "broken", body, broken, {}, seed=5)
    assert (tmp_path / "broken/singles/rows.json").read_text().strip() == '{"rows": 8}'
    kept.make(tmp_path / "broken", body, whole, {}, seed=5)
    for name in ("C4", "joints"):
        arrays = [np.load(tmp_path / folder / "singles" / f"{name}.npy") for folder in ("whole", "broken")]
        assert len(arrays[0]) == 14
        np.testing.assert_array_equal(*arrays)
    with pytest.raises(UserError, match="kept with other settings.*delete it"):
        kept.make(tmp_path / "whole", body, whole, {"box_margin": 2.0}, seed=5)


def test_every_group_comes_once_an_epoch_and_couples_stay_together(tmp_path):
    for part, rows, first in (("couples", 6, 0), ("singles", 3, 100)):
        (tmp_path / part).mkdir()
        values = np.arange(first, first + rows, dtype=np.float32)
        np.save(tmp_path / part / "C4.npy", values.reshape(-1, 1, 1, 1).astype(np.float16))
        np.save(tmp_path / part / "joints.npy", np.tile(values[:, None, None], (1, 2, 4)))
        if part == "couples":
            np.save(tmp_path / part / "crop_to_image.npy", np.zeros([rows, 2, 3], np.float32))
    everybody = kept.dataset(tmp_path, False, batch_size=3, seed=1)
    inputs = [row["C4"].numpy().ravel() for row, _ in everybody.take(6)]
    first, second = np.concatenate(inputs[:3]), np.concatenate(inputs[3:])
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4, 5, 100, 101, 102] and list(first) != list(second)
    assert set(next(iter(everybody))[0]) == {"C4"}
    couples = kept.dataset(tmp_path, True, batch_size=2, seed=1)
    rows = [(row, joints) for row, joints in couples.take(3)]
    assert {tuple(row["C4"].numpy().ravel()) for row, _ in rows} == {(0.0, 1.0), (2.0, 3.0), (4.0, 5.0)}
    assert all(row["partner"].numpy().tolist() == [1, 0] for row, _ in rows)
    assert all((joints[:, 0, 0] == tf.reshape(row["C4"], [-1])).numpy().all() for row, joints in rows)


@pytest.mark.parametrize(
    "model, train, message",
    [
        ({"trunk": "resnet10"}, {}, "--trunk=resnet10 has no body that is kept"),
        ({"trunk_maps": True}, {}, "does not go with --trunk_maps"),
        ({}, {"base_weights": ""}, "needs --base_weights"),
    ],
)
def test_what_it_does_not_go_with(tmp_path, sticks, model, train, message):
    train_config = dataclasses.replace(TrainConfig(kept_passes=1, base_weights="x.weights.h5", batch_size=4), **train)
    with pytest.raises(UserError, match=message):
        loop.train(tmp_path / "run", dataclasses.replace(MODEL, **model), sticks, train_config, InferenceConfig())
    assert not (tmp_path / "run" / "kept").exists()
