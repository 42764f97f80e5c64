"""--precision=auto on machines that this one is made to look like."""

import pytest
import tensorflow as tf

from opec_tf.training import precision


def machine(monkeypatch, tmp_path, flags=None, gpus=()):
    """Pretends a processor with flags, None for a system that does not tell, and GPUs of compute capabilities."""
    path = tmp_path / "cpuinfo"
    if flags is not None:
        core = f"processor\t: 0\nmodel name\t: avx512_bf16 in name only\nflags\t\t: {flags}\n\n"
        path.write_text(2 * core)

    def details(gpu):
        return {} if gpu is None else {"compute_capability": gpu}

    monkeypatch.setattr(precision, "_CPU_INFO", path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(gpus) if kind == "GPU" else ["CPU"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details)


NO_UNITS = "the processor has no units for bfloat16"


@pytest.mark.parametrize(
    "flags, gpus, policy, reason",
    [
        ("fpu avx2 avx512f avx512_vnni", (), "float32", NO_UNITS),
        (None, (), "float32", NO_UNITS),
        ("fpu avx512_bf16", (), "mixed_bfloat16", "the processor computes in bfloat16 (avx512_bf16)"),
        ("amx_bf16 amx_tile", (), "mixed_bfloat16", "the processor computes in bfloat16 (amx_bf16)"),
        ("fpu", [(7, 0)], "mixed_float16", "the GPU is of compute capability 7.0"),
        ("fpu", [(9, 0), (8, 6)], "mixed_float16", "the GPU is of compute capability 8.6"),
        ("avx512_bf16", [(6, 1)], "float32", "the GPU, of compute capability 6.1, has no units for float16"),
        ("fpu", [(9, 0), (6, 1)], "float32", "the GPU, of compute capability 6.1, has no units for float16"),
        ("fpu", [None], "float32", "the GPU, of compute capability 0.0, has no units for float16"),
    ],
)
def test_auto_asks_the_device(monkeypatch, tmp_path, flags, gpus, policy, reason):
    machine(monkeypatch, tmp_path, flags, gpus)
    assert precision.resolve("auto") == (policy, reason)


def test_what_is_set_is_taken(monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path, "avx512_bf16", [(9, 0)])
    for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
        assert precision.resolve(policy) == (policy, "")


def test_a_policy_ends_with_its_block():
    with pytest.raises(KeyError), precision.policy("mixed_bfloat16"):
        assert tf.keras.mixed_precision.global_policy().name == "mixed_bfloat16"
        raise KeyError
    assert tf.keras.mixed_precision.global_policy().name == "float32"
