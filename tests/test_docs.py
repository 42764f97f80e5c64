"""The pages say what is so: commands, flags, values, modules, files and links that they name exist.

Commands are read, not run: their flags are found in their sources, so that TensorFlow need not start.
"""

from __future__ import annotations

import ast
import dataclasses
import pathlib
import re
import shlex
import string

import pytest

from opec_tf import config
from opec_tf.common import limits
from opec_tf.study import rows

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "serving/README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What is said of the past names what is gone.
LINKED_PAGES = [*PAGES, ROOT / "CHANGELOG.md"]
FLAGFILES = sorted((ROOT / "configs").glob("*.flags"))
README_BYTES = 8 * 1024
PICTURE_BYTES = 200 * 1024

CONFIGS = {
    name: value
    for module in (config, limits)
    for name, value in vars(module).items()
    if dataclasses.is_dataclass(value)
}
ABSL_FLAGS = {"flagfile", "help", "verbosity"}
# Flags of other programs that the pages name.
FOREIGN_FLAGS = {
    *("grpc_max_threads", "max_num_load_retries"),  # of tensorflow_model_server
    "logdir",  # of tensorboard
    *("write_json", "pred-out-dir"),  # of OpenPose and MMPose
}
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def flags_of(command: str) -> set[str]:
    """Names of the flags that a command defines, read from its source."""
    found = set(ABSL_FLAGS)
    for node in ast.walk(ast.parse((ROOT / "opec_tf" / f"{command}.py").read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr.startswith(("DEFINE_", "define_")) and isinstance(node.args[0], ast.Constant):
            found.add(node.args[0].value)
        if node.func.attr == "define":
            classes = [CONFIGS[argument.id] for argument in node.args if isinstance(argument, ast.Name)]
            found.update(field.name for config_class in classes for field in _settings(config_class))
    return found


def _settings(config_class: type) -> list[dataclasses.Field]:
    """The fields of a config that are flags."""
    return [field for field in dataclasses.fields(config_class) if field.metadata.get("is_flag", True)]


def faults(command_line: str) -> list[str]:
    """What of a line ``python -m opec_tf... --flag=value ...`` does not exist."""
    module, *arguments = command_line.split("python -m ", 1)[1].split(maxsplit=1)
    if module == "opec_tf":
        return [] if (ROOT / "opec_tf/__main__.py").exists() and not arguments else ["python -m opec_tf: does not run"]
    command = module.partition(".")[2]
    if not (ROOT / "opec_tf" / f"{command}.py").exists():
        return [f"{module}: is no command"]
    known, found = flags_of(command), []
    for argument in shlex.split(arguments[0], comments=True) if arguments else []:
        if argument in ("&", "|", ">"):
            break
        if argument.startswith("--"):
            name, _, value = argument[2:].partition("=")
            found += [f"{module}: has no flag --{name}"] * (not _is_flag(name, known)) + _bad_values(name, value)
    return found


def _is_flag(name: str, known: set[str]) -> bool:
    """Whether a name is a flag's, or "no" and a flag's."""
    return name in known or name.startswith("no") and name[2:] in known


def _bad_values(name: str, value: str) -> list[str]:
    """Values that a setting does not take, rows that no ablation has, flagfiles that are not there."""
    fields = {field.name: field for config_class in CONFIGS.values() for field in _settings(config_class)}
    choices = fields[name].metadata["choices"] if name in fields else None
    choices = ("all", *rows.GROUPS, *rows.ROWS) if name == "rows" else choices
    wrong = [part for part in value.split(",") if choices and part not in choices]
    if name == "flagfile" and value.startswith("configs/") and not (ROOT / value).exists():
        wrong.append(value)
    return [f"--{name}={part}: is not known" for part in wrong]


def command_lines(page: str) -> list[str]:
    """The lines of a page's code that run modules of the package, with what a variable set on the page stands for.

    A backslash at the end joins the next line; ``...`` in a line leaves it out, since it stands for something.
    """
    variables: dict[str, str] = {}
    lines = []
    for block in _blocks(page):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            line = string.Template(line).safe_substitute(variables)
            if assigned := re.fullmatch(r"\s*([A-Z_]+)=\"(.*)\"", line):
                variables[assigned[1]] = assigned[2]
            elif "python -m opec_tf" in line and "..." not in line:
                lines.append(line.strip())
    return lines


def _blocks(page: str) -> list[str]:
    """The code of a page, blocks and spans, in their order; of a flagfile its comments."""
    if not page.startswith("# ") or "\n--" not in page or "```" in page:
        fenced = [match[2] for match in _FENCE.finditer(page)]
        return fenced + _CODE.findall(_FENCE.sub("", page))
    return ["\n".join(line[1:] for line in page.splitlines() if line.startswith("#"))]


def headings(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.*)$", _FENCE.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", [*PAGES, *FLAGFILES], ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_a_page_exist(path: pathlib.Path) -> None:
    lines = command_lines(path.read_text(encoding="utf-8"))
    assert [f"{line}: {fault}" for line in lines for fault in faults(line)] == []


def test_every_command_has_its_section_and_an_example() -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    commands = {
        path.stem
        for path in (ROOT / "opec_tf").glob("[!_]*.py")
        if '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    shown = {line.split("python -m opec_tf.", 1)[1].split()[0] for line in command_lines(page) if "opec_tf." in line}
    assert commands <= headings(page)
    assert commands <= shown


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_flags_modules_and_files_of_a_page_exist(path: pathlib.Path) -> None:
    page = path.read_text(encoding="utf-8")
    commands = [path.stem for path in (ROOT / "opec_tf").glob("[!_]*.py")]
    known = set().union(*map(flags_of, commands)) | FOREIGN_FLAGS
    spans = "\n".join(_CODE.findall(_FENCE.sub("", page)))
    flags = [name for name in re.findall(r"(?<![\w-])--(\w[\w-]*)", spans) if not _is_flag(name, known)]
    files = re.findall(r"(?<![\w/.])(?:opec_tf|tests|configs|docs)/[\w./-]+\.\w+", spans)
    files = [name for name in files if not (ROOT / name).exists() and not re.search("NAME|FAMILY", name)]
    modules = [name for name in re.findall(r"(?<![\w/.])opec_tf(?:\.\w+)+", spans) if not _is_module(name)]
    targets = re.findall(r"^make ([a-z-]+)", "\n".join(_blocks(page)), re.MULTILINE)
    targets = [name for name in targets if name not in _make_targets()]
    assert (flags, files, modules, targets) == ([], [], [], [])


def test_python_of_a_page_is_python() -> None:
    """It parses, and what it takes from the package is there."""
    blocks = [match[2] for path in PAGES for match in _FENCE.finditer(path.read_text("utf-8")) if match[1] == "python"]
    trees = [ast.parse(block) for block in blocks]
    names = {f"opec_tf.{node.attr}" for tree in trees for node in ast.walk(tree) if _is_of_package(node)}
    assert names
    assert [name for name in sorted(names) if not _is_module(name)] == []


def _is_of_package(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "opec_tf"


def _is_module(name: str) -> bool:
    """Whether a dotted name is a module, a folder of modules, or a name that its module's source has."""
    path, last = ROOT.joinpath(*name.split(".")), name.split(".")[-1]
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    holder = path.parent / "__init__.py" if path.parent.is_dir() else path.parent.with_suffix(".py")
    return holder.exists() and re.search(rf"\b{last}\b", holder.read_text(encoding="utf-8")) is not None


def _make_targets() -> list[str]:
    return re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", LINKED_PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_page_resolve(path: pathlib.Path) -> None:
    lost = []
    for link in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        target, _, anchor = link.partition("#")
        if target.startswith(("http://", "https://")):
            continue
        there = (path.parent / target).resolve() if target else path
        if not there.exists() or anchor and anchor not in headings(there.read_text(encoding="utf-8")):
            lost.append(link)
    assert lost == []


def test_the_first_page_is_short_and_pictures_are_small() -> None:
    assert (ROOT / "README.md").stat().st_size <= README_BYTES
    pictures = [path for path in (ROOT / "docs").iterdir() if path.suffix != ".md"]
    assert {path.suffix for path in pictures} <= {".jpg", ".png"}
    assert [path.name for path in pictures if path.stat().st_size > PICTURE_BYTES] == []


def test_the_check_sees_what_does_not_exist() -> None:
    page = '```\nX="--no_such_flag=1"\npython -m opec_tf.train $X --norefinement \\\n  --trunk=vgg --rows=full\n```\n'
    (line,) = command_lines(page)
    assert faults(line) == [
        "opec_tf.train: has no flag --no_such_flag",
        "--trunk=vgg: is not known",
        "opec_tf.train: has no flag --rows",
    ]
    assert faults("python -m opec_tf.fly --high") == ["opec_tf.fly: is no command"]
    assert faults("python -m opec_tf.ablate --rows=full,nothing") == ["--rows=nothing: is not known"]
    assert headings("# What `a_b.flags` is: x, y\n```\n# no\n```\n") == {"what-a_bflags-is-x-y"}
