"""The manifest of docs/distributed.md gives every pod the same cluster, and its own place in it."""

import json
import os
import pathlib
import re
import subprocess
import textwrap

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "distributed.md"


def test_pods_find_their_places():
    (manifest,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert (
        manifest.count("metadata:\n  name: opec\n") == 2 and "subdomain: opec\n" in manifest
    )  # what the addresses are made of
    assert "completions: 8\n  parallelism: 8\n" in manifest and 'name: WORKERS, value: "8"' in manifest
    (script,) = re.findall(r"- \|\n(.*?)          ports:", manifest, re.DOTALL)
    script = re.sub(r"exec python3 .*", 'echo "$TF_CONFIG"', textwrap.dedent(script), flags=re.DOTALL)
    for index in (0, 7):
        environment = {**os.environ, "WORKERS": "8", "JOB_COMPLETION_INDEX": str(index)}
        found = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
        workers = [f"opec-{i}.opec:2222" for i in range(8)]
        assert json.loads(found) == {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
