"""Serves a page on which people are annotated: a box around a pair, two skeletons dragged into place.

python -m opec_tf.annotate --images=frames --output_dir=annotations --annotator=anna

Open the address that it prints; ? lists the keys. Every change is saved at once, in OUTPUT_DIR/ANNOTATOR/PICTURE.json,
so that page and server may end at any time. Two annotators run it side by side with one OUTPUT_DIR, each with a name
and a port. Pictures that OUTPUT_DIR/queue.json names (prepare_data merge_annotations) come first. By default only this
machine reaches the page; --host=0.0.0.0 --token=new opens it to the network, for those who have the address.
"""

from __future__ import annotations

import importlib.util

from absl import flags as absl_flags

from opec_tf.common import cli, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.poses.skeletons import SKELETONS

# What starts TensorFlow, or is of an extra, waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.annotation import access, pictures, records, server, store, suggestions

absl_flags.DEFINE_string("images", None, "folder of pictures, with its subfolders", required=True)
absl_flags.DEFINE_string("output_dir", None, "folder of all annotators' files", required=True)
absl_flags.DEFINE_string("annotator", None, "who annotates: a name of letters, digits, _, - and .", required=True)
absl_flags.DEFINE_enum("skeleton", "body12", list(SKELETONS), "joints of a person")
absl_flags.DEFINE_bool("suggest", False, "skeletons start from the package's model's poses, not from a template")
absl_flags.DEFINE_string("host", "127.0.0.1", "address to listen on; by default only this machine reaches it")
absl_flags.DEFINE_integer("port", 8765, "port; 0 chooses a free one", lower_bound=0, upper_bound=65535)
absl_flags.DEFINE_string(
    "token",
    "",
    "secret that the page must know, 12 characters or more, or 'new': one is made up; off loopback required",
)


def main() -> None:
    options = flags.FLAGS
    missing = [name for name in ("flask", "waitress") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{' and '.join(missing)} not installed: pip install opec_tf[annotate]")
    records.check_annotator(options.annotator, "--annotator")
    rules = access.Access(options.host, options.token)
    skeleton = SKELETONS[options.skeleton]
    shown = pictures.Pictures(options.images)
    kept = store.Store(options.output_dir, options.annotator)
    suggester = suggestions.Suggester(skeleton) if options.suggest else None
    running = server.listen(server.build_app(shown, kept, skeleton, rules, suggester), options.host, options.port)
    # Flushed, since whoever started this process may read the address from here.
    print(f"{len(shown.names)} pictures, annotated by {kept.annotator} into {kept.folder}; Ctrl-C ends it", flush=True)
    print(f"open {access.address(options.host, server.port_of(running), rules.token)}", flush=True)
    running.run()
    print("stopped; every change was saved when it was made", flush=True)


if __name__ == "__main__":
    cli.run(main, __doc__)
