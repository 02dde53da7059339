"""The house keeps its own rules: layers, sizes, names, purity of adapters, and a README whose commands run."""

from __future__ import annotations

import ast
import contextlib
import copy
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.adapter import Theirs, find
from hub.mapping import load
from hub.model import to_tree
from hub.wire import Document
from tests.commands import Calls

ROOT = Path(__file__).resolve().parent.parent
LONGEST_MODULE = 350
LONGEST_FUNCTION = 40
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "core", "misc"}
PRODUCTS = ["liquidlogic", "mosaic", "eclipse", "azeus", "caredirector", "carefirst", "careworks", "frameworki"]
IMPURE = {
    "asyncio", "http", "logging", "multiprocessing", "os", "pathlib", "random", "shutil", "socket", "sqlite3", "ssl",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib",
}  # fmt: skip
AS_INSTALLED = ["README.md"]
"""Where each `ics-hub` is started as a user starts it; elsewhere it is called as `tests.commands` says."""
DOCS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def adapters() -> list[Path]:
    """The adapters, and the modules that belong to one of them (`_ssd` to `ssd`)."""
    return [path for path in modules("adapters") if path.stem != "__init__"]


# Layers and names


def test_imports_go_down_only() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [name(path) for path in modules("hub", "adapters") if VAGUE & {path.stem, path.parent.name}]
    assert not vague


def test_the_hub_names_no_product() -> None:
    found = []
    own = {path.stem.lstrip("_") for path in adapters() if path.parent.name == "adapters"} - {"canonical", "caf"}
    for path in modules("hub"):
        text = path.read_text("utf-8").lower()
        found += [f"{name(path)}: {word}" for word in PRODUCTS if re.search(rf"\b{word}\b", text)]
        for node in ast.walk(tree(path)):
            said = node.value if isinstance(node, ast.Constant) else getattr(node, "id", getattr(node, "attr", None))
            if isinstance(said, str) and said in own:
                found.append(f"{name(path)}:{node.lineno}: {said}")  # type: ignore[attr-defined]
    assert not found


# Sizes


@pytest.mark.parametrize("path", modules("hub", "adapters"), ids=name)
def test_a_module_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_MODULE


def statements(function: ast.AST) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1


@pytest.mark.parametrize("path", modules("hub", "adapters"), ids=name)
def test_a_function_does_one_thing(path: Path) -> None:
    functions = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f"{name(path)}:{node.lineno} {node.name}" for node in functions if statements(node) > LONGEST_FUNCTION]
    assert not long


@pytest.mark.parametrize("path", modules("hub", "adapters"), ids=name)
def test_a_module_says_what_it_owns(path: Path) -> None:
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", modules("hub", "adapters"), ids=name)
def test_decoders_of_structs_are_made_once_and_not_by_threads(path: Path) -> None:
    """Two threads in which msgspec 0.22 learns the same struct at the same time take the process down."""
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    named = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "type"]
    decodes = [one for one in named if isinstance(one, ast.Name) and one.id not in ("int", "str", "bytes", "dict")]
    assert not [ast.unparse(one) for one in decodes if "msgspec" in path.read_text("utf-8")]


# Adapters are pure


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name(path)}:{node.lineno} imports relatively"
            whole = node.module == "adapters"
            yield from [f"adapters.{alias.name}" for alias in node.names] if whole else [node.module or ""]


def _is_own(path: Path, other: str) -> bool:
    """Whether a module, or a folder of modules, is for the format that this module is of: its name begins with a word
    of the adapter's (`_caf_schema` and `_fhir` for `caf_fhir`), and is not that of another adapter."""
    owner = (path.parent.name if path.parent.name[:1] == "_" else path.stem).lstrip("_")
    shipped = [one.stem for one in adapters() if one.stem[0] != "_"]
    is_others = other[1:] in shipped and not owner.startswith(other[1:])
    return other[:1] == "_" and other[1:].split("_")[0] in owner.split("_") and not is_others


@pytest.mark.parametrize("path", adapters(), ids=name)
def test_an_adapter_sees_its_contract_and_nothing_of_the_world(path: Path) -> None:
    for module in imports(path):
        first, _, rest = module.partition(".")
        assert first not in IMPURE or module == "urllib.parse", f"{module} is not for adapters"
        own = _is_own(path, rest.partition(".")[0])
        assert first != "adapters" or own, f"{module}: an adapter must not know another"
        assert first != "hub" or rest.split(".")[0] in {"adapter", "wire", "errors"}, f"{module} is not for adapters"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"open", "print", "input", "exec", "eval"}, f"line {node.lineno} calls {called}"
            assert not re.search(r"\.(now|today|utcnow)$", called), f"line {node.lineno} reads the clock"


# What no file may hold


def texts() -> Iterator[tuple[str, str]]:
    """Every text file that belongs to the project."""
    left_out = {".git", ".venv", "__pycache__", "build", "dist", "out"}
    for folder, below, files in os.walk(ROOT):
        below[:] = [one for one in below if one not in left_out and not one.endswith(("_cache", ".egg-info"))]
        below[:] = [one for one in below if one != ".hypothesis"]
        for file in files:
            data = Path(folder, file).read_bytes()
            if b"\0" not in data:
                yield name(Path(folder, file)), data.decode("utf-8", "replace")


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    registries = ["pypi" + ".org", "python" + "hosted", "registry" + ".npmjs", "deb" + ".debian", "index" + "-url"]
    machine = [f"/{top}/" for top in ("work", "root", "home")]
    forbidden = [re.escape(word) for word in registries] + [rf"(?<![\w./]){word}\w" for word in machine]
    found = [f"{file}: {word}" for file, text in texts() for word in forbidden if re.search(word, text)]
    assert not found


# The project's own files agree with each other


def test_the_constraints_name_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    exact = {line.split("==")[0].lower().replace("_", "-") for line in lines if line and not line.startswith("#")}
    assert {re.split(r"[\[<>=~!]", one)[0].lower() for one in wanted} <= exact
    assert all("==" in line for line in lines if line and not line.startswith("#"))


def test_ci_runs_the_test_command_of_the_readme() -> None:
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "`make test`" in (ROOT / "README.md").read_text("utf-8")
    assert re.search(r"^make test$", run, re.MULTILINE)
    assert "set -euo pipefail" in run


def test_the_makefile_explains_every_command() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    assert all(re.search(rf"^{target}:.*## \S", text, re.MULTILINE) for target in phony[1].split())


# The documentation


@pytest.mark.parametrize("file", DOCS)
def test_the_links_of_the_documentation_lead_somewhere(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / file).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("file", DOCS)
def test_the_toml_of_the_documentation_is_toml(file: str) -> None:
    for block in re.findall(r"^```toml\n(.*?)^```", (ROOT / file).read_text("utf-8"), re.MULTILINE | re.DOTALL):
        tomllib.loads(block)


def commands(file: str) -> list[tuple[str, str]]:
    """(command, output shown) of every line that starts with `$ ` in the console blocks."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"^```console\n(.*?)^```", (ROOT / file).read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            joined = piece.replace("\\\n", "")
            command, _, output = joined.partition("\n")
            found.append((command, output))
    return found


def shown(output: str) -> str:
    """The pattern for output as documented: a line of `...` is any lines, `...` in a line any text."""
    lines = []
    for line in output.splitlines():
        if line.strip() == "...":
            lines.append(r"(?:[^\n]*\n)*?")
        else:
            lines.append(".*".join(re.escape(piece) for piece in line.rstrip().split("...")) + r"[ ]*\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of the tree to run documented commands in, and the environment for them."""
    place = tmp_path_factory.mktemp("readme")
    copy = place / "ics-hub"
    copied(copy)
    command = place / "bin" / "ics-hub"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from hub.cli import main; main()" "$@"\n', "utf-8")
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    terminal = {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}
    parent = Calls(copy)
    calling(place / "calling", parent)
    yield copy, {**os.environ, **terminal, "PATH": path, "PYTHONPATH": str(copy)}
    parent.close()


def copied(place: Path) -> None:
    """The tree as it is at `place`, with nothing that an earlier page's commands made there."""
    for one in place.iterdir() if place.exists() else ():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()
    ignore = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__", ".hypothesis", "build", "dist")
    shutil.copytree(ROOT, place, ignore=ignore, dirs_exist_ok=True)


def calling(place: Path, parent: Calls) -> None:
    """An environment like this one whose `ics-hub` calls a parent that has everything imported."""
    (place / "bin").mkdir(parents=True)
    for folder, left_out in (("", {"bin"}), ("bin", {"ics-hub", "activate"})):
        for one in Path(sys.prefix, folder).iterdir():
            if one.name not in left_out:
                (place / folder / one.name).symlink_to(one)
    parent.program(place / "bin" / "ics-hub")
    (place / "bin" / "activate").write_text(f"PATH='{place / 'bin'}':$PATH\n", "utf-8")


def run(command: list[str], place: Path, environment: dict[str, str]) -> tuple[int, str]:
    """A program's exit code and all it printed; what it left running, such as a hub, ends with it."""
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True, "text": True}
    with subprocess.Popen(command, cwd=place, env=environment, **both) as process:  # type: ignore[call-overload]
        try:
            out, _ = process.communicate(timeout=600)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out


@pytest.mark.parametrize("file", [file for file in DOCS if commands(file)])
def test_the_commands_of_the_documentation_run(file: str, bench: tuple[Path, dict[str, str]]) -> None:
    copy, environment = bench
    entered = Path(sys.prefix) if file in AS_INSTALLED else copy.parent / "calling"
    copied(copy)
    (copy / ".venv").symlink_to(entered, target_is_directory=True)
    mark = "@@ next @@"
    asked = commands(file)
    script = "".join(f"{command}\nprintf '\\n%s\\n' '{mark}'\n" for command, _ in asked)
    code, out = run(["bash", "-ec", script], copy, environment)
    printed = out.split(f"\n{mark}\n")
    assert code == 0, f"{asked[min(len(printed), len(asked)) - 1][0]}\n{printed[-1]}"
    for (command, output), said in zip(asked, printed, strict=False):
        if output.strip():
            lines = said if not said or said.endswith("\n") else said + "\n"
            assert re.fullmatch(shown(output), lines), f"$ {command} printed\n{lines}\nand not\n{output}"


def test_the_demo_runs(bench: tuple[Path, dict[str, str]]) -> None:
    copy, environment = bench
    command = [sys.executable, "demo/demo.py"]
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, ran.stderr


# The package


def test_the_wheel_alone_translates_from_any_folder(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling builds the wheel: make setup installs it")
    source, installed, elsewhere = tmp_path / "source", tmp_path / "installed", tmp_path / "elsewhere"
    ignore = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__", ".hypothesis", "build", "dist", "tests")
    shutil.copytree(ROOT, source, ignore=ignore)
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    made = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True, check=True
    )
    shutil.unpack_archive(tmp_path / made.stdout.split()[-1], installed, "zip")
    shutil.rmtree(source)
    elsewhere.mkdir()
    run = "import hub, sys; from hub.cli import main; assert hub.__file__.startswith(sys.path[1]), hub.__file__; main()"
    sample = ROOT / "tests" / "samples" / "contactpoint" / "index.xml"
    command = [sys.executable, "-c", run, "translate", str(sample), "--from", "contactpoint", "--to", "canonical"]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    ran = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 7


def test_the_overlay_of_the_documentation_changes_a_code_and_adds_a_field(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "write-a-mapping.md").read_text("utf-8")
    chapter = text.partition("## Your council's overlay")[2].partition("\n## ")[0]
    files, added, rows = re.findall(r"^```(?:toml)?\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)[:3]
    for path, content in zip(files.split(), (added, rows), strict=True):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, "utf-8")
    sample = (ROOT / "tests" / "samples" / "cin_census" / "northshire-2025.xml").read_text("utf-8")
    sample = re.sub(r"<Sex>\w</Sex>", "<NHSnumber>9999001009</NHSnumber><Sex>3</Sex>", sample, count=1)
    found = next(find("cin_census").read(Document.of("census.xml", sample.encode())))
    assert isinstance(found, Theirs)
    before = copy.deepcopy(found.tree)
    overlaid = load("cin_census", [tmp_path / "northshire"])["Child"]
    record = overlaid.inward(found).record
    told = to_tree(record)["person"]
    assert told["sex"] == "U"
    assert [one["value"] for one in told["identifiers"] if one["system"] == "nhs"] == ["9999001009"]
    assert overlaid.create(record).tree == before
