"""GraphiQL's files: built once per state of the sources, and missed with one clear line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.graphiql.assets import NotBuiltError, page
from gateway.graphiql.build import BuildFailedError, build, fingerprint, new_enough

NPM = """#!/bin/sh
echo "$@" >> calls
mkdir -p node_modules dist
[ "$1" != "$FAILS" ] || { echo "no such package: graphiqql"; exit 1; }
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The least that a build reads."""
    for name in ("package.json", "package-lock.json", "index.html", "vite.config.ts", "tsconfig.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.tsx").write_text("render()")
    return tmp_path


@pytest.fixture
def npm_calls(app: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """A Node and an npm on the PATH that only write down how npm was called."""
    tools = tmp_path_factory.mktemp("tools")
    for name, script in (("node", "#!/bin/sh\necho v22.12.0\n"), ("npm", NPM)):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/bin")
    return lambda: (app / "calls").read_text().splitlines()


def test_a_page_that_was_never_built_says_what_to_run(tmp_path: Path):
    """Whoever starts the gateway from a fresh checkout reads one line, not a traceback about a file."""
    with pytest.raises(NotBuiltError, match=r"^GraphiQL is not built; run: make assets$"):
        page(tmp_path)


def test_the_page_is_served_as_it_was_built(tmp_path: Path):
    """No byte is added on the way."""
    (tmp_path / "index.html").write_bytes("<title>Binnacle · GraphiQL</title>".encode())

    assert page(tmp_path) == "<title>Binnacle · GraphiQL</title>".encode()


def test_an_unchanged_app_is_built_once(app: Path, npm_calls: Callable):
    """The second `make demo` starts without asking npm anything."""
    build(app)
    build(app)

    assert [call.split()[0:2] for call in npm_calls()] == [["ci", "--no-audit"], ["run", "build"]]


def test_a_changed_source_is_built_again_with_the_packages_that_are_there(app: Path, npm_calls: Callable):
    """Who works on the page waits for the build, not for npm."""
    build(app)
    (app / "src" / "main.tsx").write_text("renderBetter()")
    build(app)

    assert [call.split()[0] for call in npm_calls()] == ["ci", "run", "run"]


def test_a_changed_test_is_no_reason_to_build(app: Path):
    """Only what the browser gets counts."""
    before = fingerprint(app)
    (app / "src" / "session.test.ts").write_text("test()")

    assert fingerprint(app) == before


def test_a_renamed_source_is_a_changed_one(app: Path):
    """The same bytes under another name are another app."""
    before = fingerprint(app)
    (app / "src" / "main.tsx").rename(app / "src" / "start.tsx")

    assert fingerprint(app) != before


def test_what_failed_is_shown_and_tried_again(app: Path, npm_calls: Callable, monkeypatch: pytest.MonkeyPatch):
    """npm's own words reach the reader, and a failed build does not pass for a finished one."""
    monkeypatch.setenv("FAILS", "run")
    for _ in range(2):
        with pytest.raises(BuildFailedError, match="npm run build failed:\nno such package: graphiqql"):
            build(app)

    assert [call.split()[0] for call in npm_calls()] == ["ci", "run", "run"]


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("", False),
    ],
)
def test_node_is_as_new_as_vite_needs_it(version: str, *, enough: bool):
    """An old Node on the PATH is passed over: Vite would fail on it with an obscure error."""
    assert new_enough(version) is enough
