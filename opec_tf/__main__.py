"""Lists the commands.

python -m opec_tf
"""

from __future__ import annotations

import ast
import pathlib


def main() -> None:
    for name, purpose in commands().items():
        print(f"python -m opec_tf.{name:18}{purpose}")
    print("\npython -m opec_tf.COMMAND --help shows what a command takes.")


def commands() -> dict[str, str]:
    """Name of each command -> the first line of its docstring; read, not imported, since TensorFlow starts slowly."""
    found = {}
    for path in sorted(pathlib.Path(__file__).parent.glob("[!_]*.py")):
        text = path.read_text(encoding="utf-8")
        if '\nif __name__ == "__main__":' in text:
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return found


if __name__ == "__main__":
    main()
