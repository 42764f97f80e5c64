"""The house rules that a machine can check, read off the syntax trees of the package.

``python tests/test_architecture.py`` draws the house: its rooms from the top floor down, and where their imports lead.

``violations`` is a function of sources, so the tests below first show that it sees each kind of fault, then run it over
the project.
"""

import ast
import collections
import graphlib
import pathlib
import statistics
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = "opec_tf"
MAX_LINES, MEDIAN_LINES = 300, 120  # of a file
MEDIAN_FUNCTION_LINES = 10
MAX_TEST_LINES = 400

# The house: each room with the rooms it may import from. A room is a folder of the package, or config.py; the modules
# beside it that run, known by their `if __name__ == "__main__"`, are the room "commands". Imports run down this list
# and never up, so that no cycle of rooms can hide.
MAY_IMPORT = {
    "opec_tf": {"inference", "poses"},  # the package itself: load, PoseModel, Poses
    "commands": {
        *("study", "training", "serving", "annotation", "inference", "weights", "models", "data", "evaluation"),
        *("config", "poses", "common"),
    },
    "study": {"training", "inference", "models", "data", "evaluation", "config", "poses", "common"},
    "training": {"inference", "models", "data", "evaluation", "config", "poses", "common"},
    "serving": {"inference", "config", "poses", "common"},
    "annotation": {"inference", "data", "evaluation", "poses", "common"},
    "inference": {"weights", "models", "data", "config", "poses", "common"},
    "weights": {"models", "layers", "config", "poses", "common"},
    "models": {"layers", "config", "poses", "common"},
    "data": {"config", "evaluation", "poses", "common"},
    "layers": {"poses"},
    "config": {"poses", "common"},
    "evaluation": {"poses", "common"},
    "poses": {"common"},
    "common": set(),
}
# Layers take arrays and numbers. The client starts without TensorFlow, and can be copied out with poses and common.
MUST_NOT_IMPORT = {
    "opec_tf.layers": {"opec_tf.poses.skeletons"},
    "opec_tf.client": {
        f"opec_tf.{room}" for room in MAY_IMPORT if room not in ("commands", "serving", "poses", "common")
    },
}
# Beside programs: what exists to report, and training, whose progress is what its user sees for days.
MAY_PRINT = ("opec_tf.common.progress", "opec_tf.common.cli", "opec_tf.training")
MAY_TAKE_FLAGS = ("opec_tf.common.flags", "opec_tf.common.cli")
# Sets what TensorFlow reads from the environment when it is first imported.
MAY_ACT_ON_IMPORT = ("opec_tf.common.cli",)


def violations(sources):
    """What breaks the rules, a line each; ``sources`` maps dotted module names to their texts."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    imports = {name: _imported(tree, trees) for name, tree in trees.items()}
    found = []
    for name, tree in trees.items():
        room = _room(name, tree)
        if room not in (PACKAGE, *MAY_IMPORT):
            found.append(f"{name}: belongs to no room; enter it in MAY_IMPORT or make it a command")
            continue
        if len(sources[name].splitlines()) > MAX_LINES:
            found.append(f"{name}: longer than {MAX_LINES} lines")
        found += [f"{name}: imports {other}" for other in sorted(imports[name]) if not _may_import(name, other, trees)]
        found += [f"{name}: {fault}" for fault in _faults(name, tree, room)]
        found += [f"{name}: {thing} has no docstring" for thing in _undocumented(tree)]
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        found.append(f"import cycle: {' <- '.join(error.args[1])}")
    return found


def house(sources):
    """The arrows between rooms: (room, imported room) -> the number of imports; ``sources`` as in ``violations``."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    arrows = collections.Counter()
    for name, tree in trees.items():
        for other in _imported(tree, trees):
            arrows[_room(name, tree), _room(other, trees[other])] += 1
    return {(first, second): count for (first, second), count in arrows.items() if first != second}


def draw_house(sources):
    """The house as text, a line a room: its modules, and the rooms it imports from with the number of imports."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    modules = collections.Counter(_room(name, tree) for name, tree in trees.items())
    arrows = house(sources)
    lines = []
    for room in MAY_IMPORT:
        leads = [f"{other} {arrows[room, other]}" for other in MAY_IMPORT if (room, other) in arrows]
        lines.append(f"{room:<10} {modules[room]:>3} modules  -> {', '.join(leads) or 'nothing'}")
    return "\n".join(lines)


def _room(name, tree):
    """The room of a module; the package itself is one, whatever else belongs to none is named as it is."""
    first = name[len(PACKAGE) + 1 :].split(".")[0]
    if not first:
        return PACKAGE
    return "commands" if first not in MAY_IMPORT and _is_program(tree) else first


def _is_program(tree):
    """Whether it runs by itself: a command, or a process that a module of the package starts."""
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
    first, second = _room(name, trees[name]), _room(other, trees.get(other, ast.Module([], [])))
    barred = {module for place, modules in MUST_NOT_IMPORT.items() if _within(name, place) for module in modules}
    if any(_within(other, module) for module in barred):
        return False
    return (first == second != "commands") or second in MAY_IMPORT.get(first, ())


def _within(name, place):
    """Whether a module is a place or lies in it."""
    return name == place or name.startswith(f"{place}.")


def _faults(name, tree, room):
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
        if takes_flags and room != "commands" and name not in MAY_TAKE_FLAGS:
            yield "imports absl.flags"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("eval", "exec"):
                yield f"calls {node.func.id}"
            if node.func.id == "print" and not _is_program(tree) and not any(_within(name, part) for part in MAY_PRINT):
                yield "prints"
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.dump(node.type) in _BROAD):
            yield "catches every exception"
    for node in tree.body:
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and room != "commands"
            and name not in MAY_ACT_ON_IMPORT
        ):
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


def _commands():
    sources = _sources(ROOT / PACKAGE)
    return {name: text for name, text in sources.items() if _room(name, ast.parse(text)) == "commands"}


MAIN = '\nif __name__ == "__main__":\n    main()\n'

# Each: a small package that breaks one rule, and what is said of it.
BROKEN = {
    "layers import config": (
        {"opec_tf.layers.image": '"""D."""\nfrom opec_tf import config\n', "opec_tf.config": '"""D."""\n'},
        ["opec_tf.layers.image: imports opec_tf.config"],
    ),
    "layers import skeletons": (
        {
            "opec_tf.layers.graph": '"""D."""\nfrom opec_tf.poses import skeletons\n',
            "opec_tf.poses.skeletons": '"""D."""\n',
        },
        ["opec_tf.layers.graph: imports opec_tf.poses.skeletons"],
    ),
    "layers import models": (
        {"opec_tf.layers.image": '"""D."""\nimport opec_tf.models.folding\n', "opec_tf.models.folding": '"""D."""\n'},
        ["opec_tf.layers.image: imports opec_tf.models.folding"],
    ),
    "models import data, within a function": (
        {
            "opec_tf.models.x": '"""D."""\ndef _f():\n    import opec_tf.data.crops\n',
            "opec_tf.data.crops": '"""D."""\n',
        },
        ["opec_tf.models.x: imports opec_tf.data.crops"],
    ),
    "data import models": (
        {
            "opec_tf.data.pipeline": '"""D."""\nfrom opec_tf.models.x import build_base\n',
            "opec_tf.models.x": '"""D."""\n',
        },
        ["opec_tf.data.pipeline: imports opec_tf.models.x"],
    ),
    "training imports study": (
        {"opec_tf.training.x": '"""D."""\nfrom opec_tf.study import report\n', "opec_tf.study.report": '"""D."""\n'},
        ["opec_tf.training.x: imports opec_tf.study.report"],
    ),
    "training imports a command": (
        {"opec_tf.training": '"""D."""\nfrom opec_tf import train\n', "opec_tf.train": '"""D."""' + MAIN},
        ["opec_tf.training: imports opec_tf.train"],
    ),
    "a command imports a command": (
        {"opec_tf.demo": '"""D."""\nfrom opec_tf import train' + MAIN, "opec_tf.train": '"""D."""' + MAIN},
        ["opec_tf.demo: imports opec_tf.train"],
    ),
    "the client imports inference": (
        {
            "opec_tf.client": '"""D."""\nfrom opec_tf.inference import frames' + MAIN,
            "opec_tf.inference.frames": '"""D."""\n',
        },
        ["opec_tf.client: imports opec_tf.inference.frames"],
    ),
    "a cycle within a room": (
        {
            "opec_tf.common.files": '"""D."""\nimport opec_tf.common.errors\n',
            "opec_tf.common.errors": '"""D."""\nimport opec_tf.common.files\n',
        },
        ["import cycle: opec_tf.common.files <- opec_tf.common.errors <- opec_tf.common.files"],
    ),
    "flags outside the command line": (
        {"opec_tf.data": '"""D."""\nfrom absl import flags\n', "opec_tf.models": '"""D."""\nimport absl.flags\n'},
        ["opec_tf.data: imports absl.flags", "opec_tf.models: imports absl.flags"],
    ),
    "a module without a room": (
        {"opec_tf.helpers": '"""D."""\n'},
        ["opec_tf.helpers: belongs to no room; enter it in MAY_IMPORT or make it a command"],
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
        [
            "opec_tf.data: the module has no docstring",
            "opec_tf.data: Reader has no docstring",
            "opec_tf.data: load has no docstring",
        ],
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
        from opec_tf.data import crops
        from opec_tf.models import trunks

        flags.DEFINE_bool("fast", False, "")


        def main():
            print("done")


        if __name__ == "__main__":
            main()
    '''
    sources = {
        "opec_tf": '"""D."""\n',
        "opec_tf.poses.geometry": '"""D."""\nimport numpy as np\n',
        "opec_tf.layers.image": '"""D."""\nfrom opec_tf.poses import geometry\n',
        "opec_tf.models.trunks": '"""D."""\nfrom opec_tf.layers import image\n',
        "opec_tf.data.crops": '"""D."""\nfrom opec_tf.poses.geometry import normalize\n',
        "opec_tf.train": textwrap.dedent(tool),
    }
    assert violations(sources) == []


def test_the_project_keeps_the_rules():
    assert violations(_sources(ROOT / PACKAGE)) == []


def test_imports_between_rooms_run_one_way():
    """Down the list of MAY_IMPORT, and every arrow that is allowed is one that exists."""
    order = list(MAY_IMPORT)
    assert all(order.index(first) < order.index(second) for first in MAY_IMPORT for second in MAY_IMPORT[first])
    arrows = house(_sources(ROOT / PACKAGE))
    drawn = {room: {second for first, second in arrows if first == room} for room in MAY_IMPORT}
    assert drawn == MAY_IMPORT


def test_the_house_can_be_drawn():
    sources = {
        "opec_tf.poses.boxes": '"""D."""\nfrom opec_tf.common import files\nfrom opec_tf.common import errors\n',
        "opec_tf.common.files": '"""D."""\n',
        "opec_tf.common.errors": '"""D."""\n',
    }
    *_, poses, common = draw_house(sources).splitlines()
    assert poses.split() == ["poses", "1", "modules", "->", "common", "2"]
    assert common.split() == ["common", "2", "modules", "->", "nothing"]


def test_files_and_functions_are_short():
    sources = _sources(ROOT / PACKAGE)
    texts = [text for text in sources.values() if len(ast.parse(text).body) > 1]
    assert statistics.median(len(text.splitlines()) for text in texts) <= MEDIAN_LINES
    functions = [
        node.end_lineno - node.lineno + 1
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    ]
    assert statistics.median(functions) <= MEDIAN_FUNCTION_LINES


def test_packages_hold_a_docstring_and_nothing_else():
    for path in sorted((ROOT / PACKAGE).rglob("__init__.py")):
        if path.parent.name != PACKAGE:
            assert len(ast.parse(path.read_text(encoding="utf-8")).body) == 1, path


def test_test_files_are_short_and_have_unique_names():
    paths = sorted((ROOT / "tests").rglob("*.py"))
    assert [path.name for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > MAX_TEST_LINES] == []
    # Without __init__.py files pytest knows a test module by its bare name.
    names = [path.name for path in paths if path.name != "conftest.py"]
    assert len(set(names)) == len(names)
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_a_commands_docstring_shows_its_command():
    for name, text in _commands().items():
        lines = [line.strip() for line in ast.get_docstring(ast.parse(text)).splitlines()]
        command = f"python -m {name} ".replace(".__main__", "")
        assert any(f"{line} ".startswith(command) for line in lines), name


if __name__ == "__main__":
    print(draw_house(_sources(ROOT / PACKAGE)))
