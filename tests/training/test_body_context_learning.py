"""How the contexts learn, on the real, tiny networks."""

import dataclasses
import json

import numpy as np
import pytest
import stick_couples
import tensorflow as tf
import tiny_run

from opec_tf.config import DataConfig, InferenceConfig, TrainConfig
from opec_tf.data import pipeline
from opec_tf.models import builders, loading, workdir
from opec_tf.training import body_context_learning, callbacks, loop, run_data, stages

pytestmark = pytest.mark.slow

# Without what a context neither reads nor changes.
MODEL = dataclasses.replace(
    tiny_run.MODEL,
    body_context=True,
    couple_context=True,
    couple_candidates=0,
    graph_convolution="gcn",
    joint_attention=False,
    image_guided=False,
    predict_visibility=False,
)
# Whose poses are people, and can be put right, without training the base.
GIVEN = dataclasses.replace(MODEL, initial_pose="given")
CONTEXT = "couple_body_context"
TRAIN = TrainConfig(
    stages=("couple",),
    batch_size=8,
    couple_epochs=2,
    steps_per_epoch=2,
    context_epochs=15,
    learning_rate=3e-3,
    validation_people=6,
)


@pytest.fixture(scope="module")
def data_config(tmp_path_factory):
    folder = stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=8)
    return DataConfig(data_root=str(folder), train_data=(stick_couples.SOURCE,), val_data=(stick_couples.SOURCE,))


def _first_inputs(data_config):
    train_data, *_ = run_data.load(MODEL, data_config, InferenceConfig().protocol)
    batches = pipeline.couple_dataset(
        train_data, crop_size=MODEL.crop_size, data_config=data_config, batch_size=8, seed=1
    )
    return next(iter(batches))


@pytest.mark.parametrize("stage", ["opec", "couple"])
def test_the_two_halves_make_the_whole(stage, data_config):
    tf.keras.utils.set_random_seed(0)
    network = builders.NETWORKS[stage](MODEL)
    net, layer = network.model, network.context.layer
    layer.last.set_weights([np.random.default_rng(1).normal(0, 0.1, weight.shape) for weight in layer.last.weights])
    inputs, _ = _first_inputs(data_config)
    inputs = inputs if stage == "couple" else inputs["crops"]
    before, alone = network.context.cut_out(net)
    seen = before(inputs)
    if stage == "couple":
        seen.update(crop_to_image=inputs["crop_to_image"], partner=inputs["partner"])
    told = alone(seen)["told"]
    # The displacements of the graph start at zero, so in the whole network too.
    pose = net(inputs)["pose_1" if stage == "opec" else "couple_pose_1"]
    assert np.abs(told - seen["pose"]).max() > 1e-4
    np.testing.assert_allclose(told, pose, atol=1e-6)


def test_a_broken_off_stage_goes_on_and_its_context_learns_once(tmp_path, data_config, capsys, monkeypatch):
    """The context before the last epoch, not in the epochs, and not again where the last one is broken off."""
    learnt, die = [], [True, False]

    def learn(net, *args, **kwargs):
        before = net.get_layer(CONTEXT).get_weights()
        context_learn(net, *args, **kwargs)
        learnt.append((before, net.get_layer(CONTEXT).get_weights()))

    def end_epoch(callback, epoch, logs=None):
        if epoch == 1 and die.pop(0):
            raise KeyboardInterrupt
        print(f"epoch {epoch} ends")

    context_learn = body_context_learning.learn
    monkeypatch.setattr(body_context_learning, "learn", learn)
    monkeypatch.setattr(callbacks.EpochLine, "on_epoch_end", end_epoch)
    tiny_run.make(tmp_path, model_config=GIVEN)
    without_validation = dataclasses.replace(data_config, val_data=())
    arguments = tmp_path, GIVEN, without_validation, TRAIN, InferenceConfig(inference_batch_size=5)
    with pytest.raises(KeyboardInterrupt):
        loop.train(*arguments)
    folder = workdir.stage_folder(tmp_path, "couple")
    assert folder.context_weights.exists() and loading.last_stage(tmp_path) == "opec"
    loop.train(*arguments)
    assert folder.finished and not folder.context_weights.exists() and not folder.backup.exists()
    assert [row["epoch"] for row in callbacks.read_log(folder.log)] == ["0", "1"]
    assert json.loads(folder.metrics.read_text())["steps"] == 4
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if line.startswith(("context", "epoch"))]
    of_context, again = shown[1 : 1 + TRAIN.context_epochs], "context: learnt before the last epoch was broken off"
    assert shown == ["epoch 0 ends", *of_context, again, "epoch 1 ends"]
    losses = [float(line.rsplit(" ", 1)[1]) for line in of_context]
    assert min(losses[-3:]) < 0.95 * losses[0]
    ((before, after),) = learnt
    assert np.all(before[-2] == 0.0) and np.abs(after[-2]).max() > 0.0
    trained = workdir.BUILDERS["couple"](GIVEN)
    workdir.load_weights(trained, folder.final_weights)
    for expected, weight in zip(after, trained.get_layer(CONTEXT).get_weights()):
        np.testing.assert_array_equal(expected, weight)


def test_only_the_context_learns(data_config):
    network = builders.NETWORKS["opec"](MODEL)
    net = network.model
    before = {layer.name: layer.get_weights() for layer in net.layers}
    train_data, *_ = run_data.load(MODEL, data_config, InferenceConfig().protocol)

    def make_batches(batch_size, seed):
        return pipeline.training_dataset(
            train_data, crop_size=MODEL.crop_size, data_config=data_config, batch_size=batch_size, seed=seed
        )

    body_context_learning.learn(
        net,
        network.context,
        make_batches,
        people=16,
        strategy=tf.distribute.get_strategy(),
        loss=stages.pose_loss(MODEL, oks_share=1.0),
        train_config=TRAIN,
    )
    changed = {
        layer.name
        for layer in net.layers
        if any(not np.array_equal(*pair) for pair in zip(before[layer.name], layer.get_weights()))
    }
    assert changed == {"body_context"}


def test_no_context_is_trained_along(tmp_path):
    tiny_run.make(tmp_path, model_config=MODEL)
    train_config = dataclasses.replace(TRAIN, freeze_opec=False)
    model = stages.build("couple", tmp_path, MODEL, train_config, 10, jit_compile=False).model
    names = [variable.name for variable in model.trainable_variables]
    assert names and not any("context" in name for name in names)
    assert len(model.get_layer("opec_net").get_layer("body_context").non_trainable_variables) > 0


def test_partners_stay_together(data_config):
    network = builders.NETWORKS["couple"](MODEL)
    inputs, joints = _first_inputs(data_config)
    before, _ = network.context.cut_out(network.model)
    kept = body_context_learning.keep(before, [(inputs, joints)] * 2, 16, members=2)
    assert {name: value.shape[:2] for name, value in kept.items()} == dict.fromkeys(kept, (8, 2))
    batch, labels = next(iter(body_context_learning.dataset(kept, batch_size=6, seed=2)))
    np.testing.assert_array_equal(batch["partner"], [1, 0, 3, 2, 5, 4])
    pairs = {row.tobytes() for row in kept["joints"]}
    assert all(pair.numpy().tobytes() in pairs for pair in tf.reshape(labels, [3, 2, *labels.shape[1:]]))
