"""A side whose process works between its turns too, unless it is stopped: a thread of its own writes the time."""

import threading
import time


def prepare(job):
    def tick():
        while True:
            with open(job["notes"], "w", encoding="utf-8") as file:
                file.write(str(time.monotonic()))
            time.sleep(0.01)

    threading.Thread(target=tick, daemon=True).start()
    return lambda: time.sleep(0.05)
