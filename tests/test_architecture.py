"""The house rules that a machine can check, read off the syntax trees of the package.

``violations`` is a function of sources, so the tests below first show that it sees each kind of fault, then run it over
the project.
"""

import ast
import graphlib
import pathlib
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = "opec_tf"
MAX_LINES = 400

# The parts of the package (a module or folder beside opec_tf/__init__.py), by layer. A module that runs as a command,
# known by its `if __name__ == "__main__"`, is a tool; anything else has to be entered here.
LAYER_OF_PART = {
    **dict.fromkeys(("config", "settings", "errors", "files", "skeletons", "geometry", "losses", "images"), "leaf"),
    **dict.fromkeys(("boxes", "decoding", "evaluation", "records", "progress", "drawing", "plots"), "leaf"),
    **dict.fromkeys(("association", "pose_nms"), "leaf"),
    **dict.fromkeys(("serving_api", "pose_client", "checkpoints"), "leaf"),
    **dict.fromkeys(("flags", "cli"), "command line"),
    **dict.fromkeys(("layers", "models", "data"), None),
    **dict.fromkeys(("training", "forward", "inference", "detection", "detectors", "given_poses", "frames"), "use"),
    **dict.fromkeys(("prediction", "partial_predictions", "reports", "speed", "study"), "use"),
    **dict.fromkeys(("serving_signatures", "exporting", "model_server", "serving_example", "serving_speed"), "use"),
}
LAYER_OF_PART.update({part: part for part, layer in LAYER_OF_PART.items() if layer is None})

# Imports run one way. models and data never meet below "use".
MAY_IMPORT = {
    "leaf": {"leaf"},
    "layers": {"leaf", "layers"},
    "models": {"leaf", "layers", "models"},
    "data": {"leaf", "data"},
    "use": {"leaf", "layers", "models", "data", "use"},
    "command line": {"leaf", "command line"},
    "tool": {"leaf", "layers", "models", "data", "use", "command line"},
}
# Layers take arrays and numbers. The client can be copied out of the project with the leaves.
_NOT_A_CLIENTS = {"layers", "models", "data", "training", "forward", "inference"}
MUST_NOT_IMPORT = {"layers": {"config", "skeletons"}, "client": _NOT_A_CLIENTS, "pose_client": _NOT_A_CLIENTS}
# Beside programs: what exists to report, and training, whose progress is what its user sees for days.
MAY_PRINT = {"progress", "cli", "training"}


def violations(sources):
    """What breaks the rules, a line each; ``sources`` maps dotted module names to their texts."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    imports = {name: _imported(tree, trees) for name, tree in trees.items()}
    found = []
    for name, tree in trees.items():
        layer = _layer(name, tree)
        if layer is None:
            found.append(f"{name}: belongs to no layer; enter it in LAYER_OF_PART or make it a command")
            continue
        if len(sources[name].splitlines()) > MAX_LINES:
            found.append(f"{name}: longer than {MAX_LINES} lines")
        found += [f"{name}: imports {other}" for other in sorted(imports[name]) if not _may_import(name, other, trees)]
        found += [f"{name}: {fault}" for fault in _faults(tree, layer, _part(name))]
        found += [f"{name}: {thing} has no docstring" for thing in _undocumented(tree)]
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        found.append(f"import cycle: {' <- '.join(error.args[1])}")
    return found


def _part(name):
    """First component below the package: "data" for opec_tf.data.pipeline, "" for opec_tf itself."""
    return name[len(PACKAGE) + 1 :].split(".")[0]


def _layer(name, tree):
    if name == PACKAGE:
        return "leaf"
    if _part(name) in LAYER_OF_PART:
        return LAYER_OF_PART[_part(name)]
    return "tool" if _is_program(tree) else None


def _is_program(tree):
    """Whether it runs by itself: a tool, or a process that a module of the package starts."""
    return any(isinstance(node, ast.If) and "__main__" in ast.dump(node.test) for node in tree.body)


def _imported(tree, known):
    """Modules of the package that a module imports, at the top or within a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else node.module)
    return {name for name in found if name.split(".")[0] == PACKAGE}


def _may_import(name, other, trees):
    importer = _layer(name, trees[name])
    imported = _layer(other, trees.get(other, ast.Module([], [])))
    barred = MUST_NOT_IMPORT.get(_part(name), set())
    return imported in MAY_IMPORT[importer] and _part(other) not in barred


def _faults(tree, layer, part):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                yield "relative import"
            if any(alias.name == "*" for alias in node.names):
                yield f"star import from {node.module}"
            takes_flags = node.module == "absl.flags" or (
                node.module == "absl" and any(alias.name == "flags" for alias in node.names)
            )
        else:
            takes_flags = isinstance(node, ast.Import) and any(alias.name == "absl.flags" for alias in node.names)
        if takes_flags and layer not in ("tool", "command line"):
            yield "imports absl.flags"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("eval", "exec"):
                yield f"calls {node.func.id}"
            if node.func.id == "print" and not _is_program(tree) and part not in MAY_PRINT:
                yield "prints"
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.dump(node.type) in _BROAD):
            yield "catches every exception"
    for node in tree.body:
        # The package itself ("") may set what TensorFlow reads from the environment when it is first imported.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and layer != "tool" and part != "":
            yield "does something when imported"


_BROAD = {ast.dump(ast.parse(name, mode="eval").body) for name in ("Exception", "BaseException")}


def _undocumented(tree):
    """What is public and lacks a docstring; a program's main is described by its module."""
    if not ast.get_docstring(tree):
        yield "the module"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            if not ast.get_docstring(node) and not (_is_program(tree) and node.name == "main"):
                yield node.name


def _sources(folder):
    """Dotted module name -> text, of every Python file below a folder of the project."""
    sources = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return sources


def _tools():
    sources = _sources(ROOT / PACKAGE)
    return {name: text for name, text in sources.items() if _layer(name, ast.parse(text)) == "tool"}


MAIN = '\nif __name__ == "__main__":\n    main()\n'

# Each: a small package that breaks one rule, and what is said of it.
BROKEN = {
    "layers import config": (
        {"opec_tf.layers.duc": '"""D."""\nfrom opec_tf import config\n', "opec_tf.config": '"""D."""\n'},
        ["opec_tf.layers.duc: imports opec_tf.config"],
    ),
    "layers import models": (
        {"opec_tf.layers.duc": '"""D."""\nimport opec_tf.models.resnet\n', "opec_tf.models.resnet": '"""D."""\n'},
        ["opec_tf.layers.duc: imports opec_tf.models.resnet"],
    ),
    "models import data, within a function": (
        {"opec_tf.models": '"""D."""\ndef _f():\n    import opec_tf.data.crops\n', "opec_tf.data.crops": '"""D."""\n'},
        ["opec_tf.models: imports opec_tf.data.crops"],
    ),
    "data import models": (
        {"opec_tf.data.pipeline": '"""D."""\nfrom opec_tf.models import build_base\n', "opec_tf.models": '"""D."""\n'},
        ["opec_tf.data.pipeline: imports opec_tf.models"],
    ),
    "a leaf imports a layer": (
        {"opec_tf.geometry": '"""D."""\nfrom opec_tf.layers import duc\n', "opec_tf.layers.duc": '"""D."""\n'},
        ["opec_tf.geometry: imports opec_tf.layers.duc"],
    ),
    "training imports a tool": (
        {"opec_tf.training": '"""D."""\nfrom opec_tf import train\n', "opec_tf.train": '"""D."""' + MAIN},
        ["opec_tf.training: imports opec_tf.train"],
    ),
    "a tool imports a tool": (
        {"opec_tf.demo": '"""D."""\nfrom opec_tf import train' + MAIN, "opec_tf.train": '"""D."""' + MAIN},
        ["opec_tf.demo: imports opec_tf.train"],
    ),
    "the client imports inference": (
        {"opec_tf.client": '"""D."""\nfrom opec_tf import inference' + MAIN, "opec_tf.inference": '"""D."""\n'},
        ["opec_tf.client: imports opec_tf.inference"],
    ),
    "a cycle within a layer": (
        {"opec_tf.files": '"""D."""\nimport opec_tf.errors\n', "opec_tf.errors": '"""D."""\nimport opec_tf.files\n'},
        ["import cycle: opec_tf.files <- opec_tf.errors <- opec_tf.files"],
    ),
    "flags outside the command line": (
        {"opec_tf.data": '"""D."""\nfrom absl import flags\n', "opec_tf.models": '"""D."""\nimport absl.flags\n'},
        ["opec_tf.data: imports absl.flags", "opec_tf.models: imports absl.flags"],
    ),
    "a part without a layer": (
        {"opec_tf.helpers": '"""D."""\n'},
        ["opec_tf.helpers: belongs to no layer; enter it in LAYER_OF_PART or make it a command"],
    ),
    "star and relative imports": (
        {"opec_tf.data": '"""D."""\nfrom numpy import *\nfrom . import pipeline\n'},
        ["opec_tf.data: star import from numpy", "opec_tf.data: relative import"],
    ),
    "eval, exec, print": (
        {"opec_tf.data": '"""D."""\ndef _f(text):\n    exec(text)\n    print(eval(text))\n'},
        ["opec_tf.data: calls exec", "opec_tf.data: prints", "opec_tf.data: calls eval"],
    ),
    "broad except": (
        {"opec_tf.data": '"""D."""\ndef _f():\n    try:\n        pass\n    except Exception:\n        pass\n'},
        ["opec_tf.data: catches every exception"],
    ),
    "work on import": (
        {"opec_tf.data": '"""D."""\nimport os\nos.makedirs("data")\n'},
        ["opec_tf.data: does something when imported"],
    ),
    "no docstrings": (
        {"opec_tf.data": "class Reader:\n    pass\n\ndef load():\n    pass\n\ndef _helper():\n    pass\n"},
        ["opec_tf.data: the module has no docstring", "opec_tf.data: Reader has no docstring",
         "opec_tf.data: load has no docstring"],
    ),
    "a long file": (
        {"opec_tf.data": '"""D."""\n' + "X = 1\n" * MAX_LINES},
        [f"opec_tf.data: longer than {MAX_LINES} lines"],
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_the_check_sees(rule):
    sources, expected = BROKEN[rule]
    assert violations(sources) == expected


def test_the_check_lets_good_code_pass():
    tool = '''
        """python -m opec_tf.train"""
        from absl import flags
        from opec_tf import data, models

        flags.DEFINE_bool("fast", False, "")


        def main():
            print("done")


        if __name__ == "__main__":
            main()
    '''
    sources = {
        "opec_tf": '"""D."""\n',
        "opec_tf.geometry": '"""D."""\nimport numpy as np\n',
        "opec_tf.layers.duc": '"""D."""\nfrom opec_tf import geometry\n',
        "opec_tf.models": '"""D."""\nfrom opec_tf.layers import duc\n',
        "opec_tf.data": '"""D."""\nfrom opec_tf.geometry import normalize\n',
        "opec_tf.train": textwrap.dedent(tool),
    }
    assert violations(sources) == []


def test_the_project_keeps_the_rules():
    assert violations(_sources(ROOT / PACKAGE)) == []


def test_test_files_are_short_and_have_unique_names():
    paths = sorted((ROOT / "tests").rglob("*.py"))
    assert [path.name for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES] == []
    # Without __init__.py files pytest knows a test module by its bare name.
    names = [path.name for path in paths if path.name != "conftest.py"]
    assert len(set(names)) == len(names)
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_a_tools_docstring_shows_its_command():
    for name, text in _tools().items():
        lines = [line.strip() for line in ast.get_docstring(ast.parse(text)).splitlines()]
        assert any(line.startswith(f"python -m {name} ") for line in lines), name
