"""A workdir with an untrained model, and the command-line tools in processes of their own. Shared by several tests."""

import json
import subprocess
import sys

import tensorflow as tf

from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.models import workdir

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

# Runs the main function of a tool with one list of arguments after the other, since starting TensorFlow takes seconds.
_MANY = """
import importlib, json, sys
from absl import flags
from opec_tf.common.errors import UserError
tool = importlib.import_module("opec_tf." + sys.argv[1])
messages = []
for arguments in json.loads(sys.argv[2]):
    for name in flags.FLAGS:
        flags.FLAGS[name].unparse()
    flags.FLAGS([tool.__name__, *arguments])
    try:
        tool.main()
        messages.append(None)
    except UserError as error:
        messages.append(str(error))
print(json.dumps(messages))
"""


def make(root, stages=("base", "opec"), model_config=MODEL, prepare=lambda model: None):
    """Makes a workdir in which stages are finished, with the same random weights each time; ``prepare`` may change a
    stage's model before it is written."""
    workdir.start(root, model_config)
    tf.keras.utils.set_random_seed(0)
    for stage in stages:
        model, folder = workdir.BUILDERS[stage](model_config), workdir.stage_folder(root, stage)
        prepare(model)
        folder.path.mkdir()
        workdir.save_weights(model, folder.best_weights)
        workdir.save_weights(model, folder.final_weights)
        workdir.write_stage_config(folder, model_config, DataConfig(), TrainConfig(), InferenceConfig())


def call(tool, *arguments):
    """Runs a tool once, as a user does; returns the ``subprocess.CompletedProcess``."""
    return _python("-m", f"opec_tf.{tool}", *map(str, arguments))


def messages(tool, *argument_lists):
    """Runs a tool with each list of arguments; returns the message of each one's ``UserError``, None where it ran."""
    result = _python(
        "-c", _MANY, tool, json.dumps([[str(argument) for argument in listed] for listed in argument_lists])
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def _python(*arguments):
    return subprocess.run([sys.executable, "-W", "ignore", *arguments], capture_output=True, text=True, check=False)
