"""A workdir with an untrained model, and the command-line tools in processes of their own. Shared by several tests."""

import importlib
import json

import tensorflow as tf
import warm_process
from absl import flags

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.models import loading, workdir

MODEL = ModelConfig(
    crop_height=64,
    crop_width=64,
    trunk="resnet10",
    trunk_width=4,
    squeeze_excite=False,
    decoder="deconv",
    deconv_channels=4,
    adaption_channels=(4, 4, 4),
    graph_channels=4,
    block_channels=4,
)


def make(root, stages=("base", "opec"), model_config=MODEL, prepare=lambda model: None):
    """Makes a workdir in which stages are finished, with the same random weights each time; ``prepare`` may change a
    stage's model before it is written."""
    workdir.start(root, model_config)
    tf.keras.utils.set_random_seed(0)
    for stage in stages:
        model, folder = loading.BUILDERS[stage](model_config), workdir.stage_folder(root, stage)
        prepare(model)
        folder.path.mkdir()
        workdir.save_weights(model, folder.best_weights)
        workdir.save_weights(model, folder.final_weights)
        workdir.write_stage_config(folder, model_config, DataConfig(), TrainConfig(), InferenceConfig())


def call(tool, *arguments):
    """Runs a tool once, as a user does; returns the ``subprocess.CompletedProcess``."""
    return warm_process.run(warm_process.tool, tool, *arguments)


def messages(tool, *argument_lists):
    """Runs a tool with each list of arguments; returns the message of each one's ``UserError``, None where it ran."""
    result = warm_process.run(
        _print_messages, tool, [[str(argument) for argument in listed] for listed in argument_lists]
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def _print_messages(tool, argument_lists):
    module, found = importlib.import_module(f"opec_tf.{tool}"), []
    for arguments in argument_lists:
        for name in flags.FLAGS:
            flags.FLAGS[name].unparse()
        flags.FLAGS([module.__name__, *arguments])
        try:
            module.main()
            found.append(None)
        except UserError as error:
            found.append(str(error))
    print(json.dumps(found))
