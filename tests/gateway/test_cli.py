"""The `binnacle` command as its users meet it: the installed program, its output and its exit codes."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from graphql import build_schema, parse, print_ast

from gateway import cli, demo
from gateway.config import FLAGS, Config, DemoOptions
from gateway.demo_banner import QUERY, demo_banner
from gateway.version import USER_AGENT, VERSION

ROOT = Path(__file__).parents[2]
BINNACLE = Path(sys.executable).parent / "binnacle"
COMMANDS = ("serve", "demo", "schema")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(**changes):
    ours = {name: value for name, value in os.environ.items() if not name.startswith("BINNACLE_")}
    return {**ours, "HOME": "/nonexistent", **changes}


def binnacle(*words, **changes):
    """The finished command."""
    return subprocess.run(
        [BINNACLE, *words], check=False, capture_output=True, text=True, timeout=60, env=environment(**changes)
    )


@pytest.mark.parametrize("words", [["--help"], ["-h"], *([command, "--help"] for command in COMMANDS)], ids=" ".join)
def test_help_goes_to_standard_output_and_shows_examples(words):
    """Someone new reads it: what there is, and how it is used."""
    ended = binnacle(*words)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"usage: {' '.join(['binnacle', *words[:-1]])} ")
    assert re.search(r"\nexamples?:\n  binnacle ", ended.stdout)
    assert max(map(len, ended.stdout.splitlines())) <= 120


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_names_every_command_and_every_flag(command):
    """Nothing can be asked for that the help does not tell."""
    _, commands = cli.parsers()

    assert f"\n  {command} " in binnacle("--help").stdout
    text = binnacle(command, "--help").stdout
    assert all(f"\n  {flag} " in text for flag in cli.flags_of(commands[command]))


def test_the_examples_in_the_help_are_commands_that_it_accepts():
    """What somebody copies from there works."""
    parser, commands = cli.parsers()
    texts = [parser.format_help(), *(command.format_help() for command in commands.values())]
    examples = {line.strip() for text in texts for line in text.splitlines() if line.startswith("  binnacle ")}

    assert len(examples) >= 6
    for example in examples:
        words = shlex.split(example.partition(" > ")[0])
        assert cli._parse(words[1:]).command is not None


def test_the_version_is_the_packages():
    """The same as requests to the API server carry."""
    ended = binnacle("--version")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"binnacle {VERSION}\n", "")
    assert f"binnacle/{VERSION}" == USER_AGENT


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["serve", "--help"], ["serv"]], ids=" ".join)
def test_help_and_version_wait_for_no_heavy_import(words):
    """They answer at once: what takes time to import is imported by the command that needs it."""
    heavy = ("pydantic", "pydantic_settings", "strawberry", "graphql", "uvicorn", "aiohttp", "starlette", "yaml")
    code = (
        f"import sys\nfrom gateway.cli import main\ntry: main({words})\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert ended.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "binnacle: which command: serve, check, demo or schema? (see binnacle --help)"),
        (["serv"], "binnacle: no command serv; did you mean serve? (see binnacle --help)"),
        (["start"], "binnacle: no command start (see binnacle --help)"),
        (["--port"], "binnacle: no flag --port (see binnacle --help)"),
        (["serve", "--prot", "1"], "binnacle serve: no flag --prot; did you mean --port? (see binnacle serve --help)"),
        (
            ["serve", "--kubeconf=a"],
            "binnacle serve: no flag --kubeconf; did you mean --kubeconfig? (see binnacle serve --help)",
        ),
        (["serve", "--token", "s3cr3t"], "binnacle serve: no flag --token (see binnacle serve --help)"),
        (["serve", "--token=s3cr3t"], "binnacle serve: no flag --token (see binnacle serve --help)"),
        (["serve", "--port"], "binnacle serve: --port needs a value (see binnacle serve --help)"),
        (["serve", "now"], "binnacle serve: no argument now (see binnacle serve --help)"),
        (["schema", "--json"], "binnacle schema: no flag --json (see binnacle schema --help)"),
        (
            ["demo", "--nodes", "0"],
            'binnacle demo: --nodes is "0": must be a whole number from 1 to 5000 (see binnacle demo --help)',
        ),
        (
            ["demo", "--nodes", "x"],
            'binnacle demo: --nodes is "x": must be a whole number from 1 to 5000 (see binnacle demo --help)',
        ),
        (
            ["demo", "--churn", "nan"],
            'binnacle demo: --churn is "nan": must be a number from 0 to 10000 (see binnacle demo --help)',
        ),
        (
            ["demo", "--port", "65536"],
            'binnacle demo: --port is "65536": must be a whole number from 0 to 65535 (see binnacle demo --help)',
        ),
        (["serve", "--port", "65536"], 'binnacle: --port is "65536": must be a whole number from 0 to 65535'),
        (["serve", "--config", "none.yaml"], 'binnacle: --config is "none.yaml": there is no such file'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_on_standard_error_and_exit_code_2(words, line):
    """What is wrong and where to read more; no usage, no traceback, and never a flag's value that may be secret."""
    ended = binnacle(*words)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"{line}\n")


def test_a_mistake_in_the_environment_stops_the_start():
    """A misspelt variable would otherwise be a setting that silently is not there."""
    ended = binnacle("serve", BINNACLE_PROMETHEUS_URL="http://ada:s3cr3t@prometheus")

    assert ended.returncode == 2
    assert ended.stderr.startswith('binnacle: BINNACLE_PROMETHEUS_URL is "http://***@prometheus": no such variable; ')
    assert len(ended.stderr.splitlines()) == 1


def test_a_kubeconfig_that_is_none_is_a_mistake_of_the_configuration(folder):
    """One line and exit code 2, as for every other setting."""
    (folder / "kubeconfig").write_text("[]")

    ended = binnacle("serve", "--kubeconfig", "kubeconfig", "--port", "0")

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("binnacle: kubernetes.kubeconfig: ")
    assert "Traceback" not in ended.stderr


def test_a_file_of_tokens_that_is_none_is_a_mistake_of_the_configuration(folder):
    """The line number, and nothing that stands in the file."""
    (folder / "tokens.csv").write_text("robot-token,robot,7\nsecret-token\n")
    (folder / "config.yaml").write_text(
        "kubernetes: {server: 'http://127.0.0.1:1'}\nserver: {port: 0}\n"
        "auth: {authenticators: [token_file], token_auth_file: tokens.csv}\n"
    )

    ended = binnacle("serve", "--config", "config.yaml")

    line = "auth.token_auth_file is `tokens.csv`: line 2 has 1 columns; needed are token, user and uid"
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1] == f"binnacle: {line}"
    assert "secret" not in ended.stderr


def test_the_schema_is_printed_on_standard_output():
    """Ready to be written into a file, and nothing else beside it."""
    ended = binnacle("schema")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert build_schema(ended.stdout).query_type is not None


def test_a_reader_that_has_enough_is_no_reason_to_complain():
    """`binnacle schema | head -1` ends without a word."""
    reader, writer = os.pipe()
    os.close(reader)

    ended = subprocess.run(
        [BINNACLE, "schema"], check=False, stdout=writer, stderr=subprocess.PIPE, timeout=60, env=environment()
    )
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_in_use_is_named_with_what_to_do(command):
    """Exit code 1: the command was right, the machine was not ready for it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        api_server = ["--server", "http://127.0.0.1:9"] if command == "serve" else []

        ended = binnacle(command, "--host", "127.0.0.1", "--port", str(port), *api_server)

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"binnacle: port {port} on 127.0.0.1 is in use: stop the program that has it, or choose another with --port"
    )
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_the_demo_prints_its_banner_serves_and_ends_with_0_when_told_to(number):
    """The whole life of `binnacle demo`: its address is the one it really listens on."""
    running = subprocess.Popen(
        [BINNACLE, "demo", "--port", "0", "--churn", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    with running:
        assert running.stdout is not None
        first = running.stdout.readline()
        port = int(first.rpartition(":")[2].partition("/")[0])
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        running.send_signal(number)
        _, errors = running.communicate(timeout=30)

    assert (running.returncode, errors) == (0, "")


# In process: how runs end


@pytest.fixture
def app(monkeypatch):
    """A stand-in for the wiring, which these tests replace by what they need."""
    from gateway import app

    monkeypatch.setenv("HOME", "/nonexistent")
    return app


def test_serve_hands_the_config_to_the_wiring_and_returns_its_exit_code(app, monkeypatch):
    """The command reads, the wiring runs."""
    ran = []

    def run(config):
        ran.append(config)
        return 1

    monkeypatch.setattr(app, "run", run)

    assert cli.main(["serve", "--port", "8443", "--server", "https://10.0.0.1:6443"]) == 1
    assert [(config.server.port, config.kubernetes.server) for config in ran] == [(8443, "https://10.0.0.1:6443")]


def test_demo_hands_its_options_to_the_wiring(app, monkeypatch, capsys):
    """Every flag of the demo arrives, and its announcement prints the banner."""
    ran = []

    def run_demo(options, announce):
        ran.append(options)
        announce("http://127.0.0.1:1")
        return 0

    monkeypatch.setattr(app, "run_demo", run_demo)
    flags = "--nodes 5 --pods-per-node 7 --churn 0.5 --seed 9 --host ::1 --port 1"

    assert cli.main(["demo", *flags.split()]) == 0
    assert ran == [DemoOptions(nodes=5, pods_per_node=7, churn=0.5, seed=9, host="::1", port=1)]
    assert capsys.readouterr().out == demo_banner("http://127.0.0.1:1") + "\n"


def test_the_demos_defaults_are_the_simulated_clusters_own():
    """They are written twice, because the cluster is slow to import."""
    defaults = cli._parse(["demo"])

    assert (defaults.nodes, defaults.pods_per_node) == (demo.DEFAULT_NODES, demo.DEFAULT_PODS_PER_NODE)
    assert defaults.seed == demo.DEFAULT_SEED
    assert (defaults.host, defaults.port) == ("127.0.0.1", 8080)


def test_the_defaults_that_the_help_of_serve_tells_are_the_configs():
    """They are written twice, because the config is slow to import."""
    text = " ".join(cli.parsers()[1]["serve"].format_help().split())
    server = Config().server

    assert f"--host ADDRESS address to listen on (default: {server.host}," in text
    assert f"--port PORT port to listen on; 0 takes a free one (default: {server.port})" in text
    assert f"(default: {server.log_level})" in text
    assert f"(default: {server.log_format})" in text


def test_every_flag_of_serve_is_a_key_of_the_config():
    """A flag that set nothing would be a trap."""
    assert set(cli.flags_of(cli.parsers()[1]["serve"])) == {"--config", *FLAGS}


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (RuntimeError("no disk"), "RuntimeError: no disk"),
        (RuntimeError(), "RuntimeError"),
        (ExceptionGroup("unhandled", [ExceptionGroup("x", [ValueError("odd")]), OSError()]), "ValueError: odd"),
        (ValueError("a\nb \x1b[2K"), r"ValueError: a\nb \x1b[2K"),
        (ValueError("got Bearer s3cr3t"), "ValueError: got Bearer ***"),
        (PermissionError(13, "Permission denied", "ca.crt"), "PermissionError: [Errno 13] Permission denied: 'ca.crt'"),
        (
            PermissionError(13, "Permission denied"),
            "port 80 on ::1 is not permitted to this user: choose one from 1024 up with --port",
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "unknown"),
            "no address is known for the host ::1: choose another with --host",
        ),
        (OSError(99, "Cannot assign"), "this machine has no address ::1: choose another with --host"),
        (
            ExceptionGroup("unhandled", [OSError(98, "Address already in use")]),
            "port 80 on ::1 is in use: stop the program that has it, or choose another with --port",
        ),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(app, monkeypatch, capsys, failure, line):
    """The reason itself, not the group it came in, without line breaks and credentials."""

    def run(_config):
        raise failure

    monkeypatch.setattr(app, "run", run)

    assert cli.main(["serve", "--host", "::1", "--port", "80"]) == 1
    assert capsys.readouterr() == ("", f"binnacle: {line}\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_before_the_server_listens_to_them_is_a_clean_end_too(app, monkeypatch, capsys, number):
    """Starting takes a second: a pod deleted in it is no crash."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(app, "run", lambda _config: signal.raise_signal(number))

    assert cli.main(["serve"]) == 0
    assert capsys.readouterr() == ("", "")
    assert signal.getsignal(signal.SIGTERM) is before


# The banner


@pytest.fixture
def listener():
    """A server that remembers the requests it got."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.path, dict(self.headers), body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()
        thread.join()


def test_the_banners_curl_command_sends_the_query_with_a_token(listener):
    """Pasted into a shell as it stands, by the real curl."""
    address, requests = listener
    command = re.search(r"^    curl .*?'$(?!\n      )", demo_banner(address), re.MULTILINE | re.DOTALL)
    assert command is not None

    ended = subprocess.run(["bash", "-c", command.group()], check=False, capture_output=True, text=True, timeout=30)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{}", "")
    ((path, headers, body),) = requests
    assert path == "/graphql"
    assert headers["Authorization"] == "Bearer demo-admin"
    assert headers["Content-Type"] == "application/json"
    assert print_ast(parse(json.loads(body)["query"])) == print_ast(parse(QUERY))


def test_the_banners_link_opens_the_query_in_the_browser():
    """One line that a terminal makes clickable, with the query as it is laid out."""
    (link,) = re.findall(r"^    (http\S+)$", demo_banner("http://[::1]:8080"), re.MULTILINE)

    assert link.startswith("http://[::1]:8080/graphql?")
    assert parse_qs(urlsplit(link).query) == {"query": [QUERY]}


def test_the_banner_names_every_token_of_the_simulated_cluster():
    """The fixed ones that people are meant to use."""
    banner = demo_banner("http://127.0.0.1:8080")

    assert all(f"\n    {token} " in banner for token in (demo.ADMIN_TOKEN, demo.VIEWER_TOKEN, demo.SHOP_TOKEN))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_stands_in_the_reference(command):
    """docs/configuration.md has a row for each flag of each command."""
    section = (ROOT / "docs/configuration.md").read_text().split(f"### `binnacle {command}`")[1].split("\n#")[0]
    _, commands = cli.parsers()

    for flag in cli.flags_of(commands[command]):
        default = commands[command].get_default(flag[2:].replace("-", "_"))
        assert f"| `{flag}` | `{default}` |" in section if default is not None else f"| `{flag}` |" in section
