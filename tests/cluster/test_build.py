"""How the test cluster's programs are found and built; a stand-in takes the compiler's place."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import build, programs

COMPILER = """#!/bin/sh
[ "$1" = env ] && { echo go1.99.0; exit; }
echo "$PWD $*" >> "$0.calls"
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho v1.37.2\\n' > "$2"
chmod +x "$2"
"""


def write_program(file: Path, script: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def says(version: str) -> str:
    return f"#!/bin/sh\necho '{version}'\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with a shell and nothing else: its PATH, assets and cache are folders of this test."""
    for variable, folder in (("PATH", "path"), ("KUBEBUILDER_ASSETS", "assets"), ("XDG_CACHE_HOME", "cache")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}/bin")
    monkeypatch.delenv("UV", raising=False)
    build.toolchain.cache_clear()
    yield tmp_path
    build.toolchain.cache_clear()


@pytest.fixture
def compiler(machine: Path) -> Path:
    """A Go that builds everything at once, and notes what it was asked for in `go.calls`."""
    return write_program(machine / "path" / "go", COMPILER)


def found(program: programs.Program) -> tuple[str, str] | None:
    place = programs.find(program)
    return (place.origin, place.version) if place else None


def test_the_assets_folder_comes_before_the_path(machine: Path):
    """A contributor who has envtest's programs uses those."""
    write_program(machine / "path" / "etcd", says("etcd Version: 3.6.1"))
    assert found(programs.ETCD) == ("PATH", "3.6.1")

    write_program(machine / "assets" / "etcd", says("etcd Version: 3.7.0"))

    assert found(programs.ETCD) == ("KUBEBUILDER_ASSETS", "3.7.0")


@pytest.mark.parametrize(
    "script",
    [says("etcd Version: 3.3.25"), "#!/bin/sh\nexit 1\n", "not a program", says("no number")],
    ids=["too old", "fails", "of another machine", "speaks otherwise"],
)
def test_a_program_that_will_not_do_is_passed_over(machine: Path, script: str):
    """The next place is tried."""
    write_program(machine / "assets" / "etcd", script)
    write_program(machine / "path" / "etcd", says("etcd Version: 3.7.0"))

    assert found(programs.ETCD) == ("PATH", "3.7.0")


def test_the_oldest_server_is_never_any_server_on_the_path(machine: Path, compiler: Path):
    """Tests of the oldest supported server mean that version and no other."""
    write_program(machine / "path" / "kube-apiserver", says("Kubernetes v1.37.2"))

    assert found(programs.API_SERVER) == ("PATH", "1.37.2")
    assert found(programs.OLDEST_API_SERVER) is None


def test_a_missing_program_is_built_once_into_the_cache(machine: Path, compiler: Path):
    """What was built is found the next time, and each build is seen to begin and to end."""
    lines: list[str] = []

    file = programs.provide(programs.SCHEDULER, lines.append)
    again = programs.provide(programs.SCHEDULER, lines.append)

    assert file == again
    assert file.is_relative_to(machine / "cache" / "binnacle" / "cluster")
    assert found(programs.SCHEDULER) == ("cache", "1.37.2")
    assert [line.split(" (")[0].split(" in ")[0] for line in lines] == [
        "building kube-scheduler",
        "built kube-scheduler",
    ]
    (call,) = compiler.with_name("go.calls").read_text().splitlines()
    assert call.startswith(f"{build.MODULES / 'kubernetes'} build -trimpath")
    assert "version.gitVersion=v1.37.2" in call
    assert call.endswith("k8s.io/kubernetes/cmd/kube-scheduler")


def test_another_module_file_or_compiler_is_another_place_in_the_cache(
    machine: Path, compiler: Path, monkeypatch: pytest.MonkeyPatch
):
    """A stale program cannot be found: its folder is named after what went into it."""
    places = {build.cached_file("kwok", "kwok")}

    write_program(compiler, COMPILER.replace("go1.99.0", "go1.99.1"))
    build.toolchain.cache_clear()
    places.add(build.cached_file("kwok", "kwok"))
    copied = machine / "modules" / "kwok"
    copied.mkdir(parents=True)
    for name in ("go.mod", "go.sum"):
        (copied / name).write_bytes((build.MODULES / "kwok" / name).read_bytes())
    with (copied / "go.sum").open("a") as sums:
        sums.write("\n")
    monkeypatch.setattr(build, "MODULES", machine / "modules")
    places.add(build.cached_file("kwok", "kwok"))

    assert len(places) == 3


def test_two_who_need_the_same_program_build_it_once(machine: Path, compiler: Path):
    """The second waits for the first, and says so when it takes long."""
    write_program(compiler, COMPILER.replace("while", "sleep 0.3; while", 1))
    files: list[Path] = []
    both = [
        threading.Thread(target=lambda: files.append(programs.provide(programs.KWOK, lambda line: None)))
        for _ in range(2)
    ]

    for one in both:
        one.start()
    for one in both:
        one.join(timeout=30)

    assert files[0] == files[1]
    assert len(compiler.with_name("go.calls").read_text().splitlines()) == 1


def test_a_failed_build_says_why_in_one_line_and_leaves_no_program(machine: Path, compiler: Path):
    """The compiler's last words are the reason; a half-written file is never taken for the program."""
    failing = COMPILER + "echo compiling >&2\necho 'go: no space left on device' >&2\nexit 1\n"
    write_program(compiler, failing)

    with pytest.raises(build.CannotBuild, match="no space left on device") as refusal:
        programs.provide(programs.KWOK, lambda line: None)

    assert "\n" not in str(refusal.value)
    assert found(programs.KWOK) is None
    assert [file.name for file in build.cached_file("kwok", "kwok").parent.iterdir()] == ["kwok.log"]


def test_an_old_go_is_not_used(machine: Path, compiler: Path):
    """The modules ask for a newer one, so PyPI's takes its place."""
    write_program(compiler, COMPILER.replace("go1.99.0", "go1.20.1"))

    tools = build.toolchain()

    assert (tools.command, tools.version) == (None, f"go{build.GO_FROM_PYPI}")


def test_without_go_and_without_a_way_to_get_it_the_reason_says_both(machine: Path, monkeypatch: pytest.MonkeyPatch):
    """Someone who reads it knows what to install."""
    monkeypatch.setenv("PATH", str(machine / "path"))

    with pytest.raises(build.CannotBuild, match="no Go on the PATH, and neither uv nor pip"):
        programs.provide(programs.KWOK, lambda line: None)
