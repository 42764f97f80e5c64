"""Sides of a comparison for tests: each notes when it works, in a file that both write to."""

import os
import time

from opec_tf.common.errors import UserError


def prepare(job):
    if job.get("fault") == "user":
        raise UserError("no such thing; take another")
    if job.get("fault") == "crash":
        raise ValueError("a bug")
    print("a library talks")

    def step():
        with open(job["notes"], "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {time.monotonic()}\n")
        time.sleep(job["sleep"])

    return step
