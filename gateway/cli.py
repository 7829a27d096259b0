"""The `binnacle` command: what was asked for, and how it ended.

    0  it did what was asked; for serve and demo: it was stopped by SIGTERM or Ctrl-C, and closed everything in order
    1  it could not start, or had to stop: one line says why
    2  the command line or the configuration is wrong: one line names what

Data goes to standard output, everything else to standard error. Whatever costs time to import is imported by the
command that needs it: `--help` and `--version` answer at once.
"""

import argparse
import difflib
import errno
import math
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from gateway.config import Config

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it: for a command that was not meant to be ended so

Command = Callable[[argparse.Namespace], int]


class Mistake(Exception):  # noqa: N818 - the user's, not the program's
    """The command line is wrong; `str()` is the line that says how."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        arguments = _parse(sys.argv[1:] if argv is None else argv)
        command: Command = arguments.command
        code = command(arguments)
        sys.stdout.flush()
    except Mistake as mistake:
        return _told(str(mistake), USAGE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads our output has enough, as in `binnacle schema | head`. Python would complain once more when it
        # flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _told(line: str, code: int) -> int:
    print(line, file=sys.stderr)  # noqa: T201 - the program's last words
    return code


def _config(arguments: argparse.Namespace) -> "Config":
    """What flags, environment and file say together; raises ConfigError."""
    from gateway.config import FLAGS, load_config

    given = {flag: getattr(arguments, flag[2:].replace("-", "_")) for flag in FLAGS}
    flags = {flag: value for flag, value in given.items() if value is not None}
    return load_config(flags, os.environ, arguments.config)


def _serve(arguments: argparse.Namespace) -> int:
    def run() -> int:
        from gateway.config import ConfigError

        try:
            config = _config(arguments)
        except ConfigError as error:
            raise Mistake(f"binnacle: {error}") from None

        from auth.settings import AuthConfigError
        from gateway import app
        from schema.sources.kubernetes.connection import KubernetesConfigError

        try:
            with _listening_on(config.server.host, config.server.port):
                return app.run(config)
        except (AuthConfigError, KubernetesConfigError) as error:
            raise Mistake(f"binnacle: {_one_line(str(error))}") from None

    return _until_stopped(run)


def _check(arguments: argparse.Namespace) -> int:
    from gateway.check.command import run_check, tell
    from gateway.check.findings import Finding, Outcome
    from gateway.config import ConfigError

    try:
        config = _config(arguments)
    except ConfigError as error:
        return tell([Finding("config", Outcome.FAILS, str(error))], arguments.output)
    given = arguments.config or os.environ.get("BINNACLE_CONFIG")
    source = "no file: flags, environment and defaults" if given is None else str(given)
    return run_check(config, source=source, grafana=arguments.grafana_url, output=arguments.output)


def _demo(arguments: argparse.Namespace) -> int:
    def run() -> int:
        from gateway import app
        from gateway.config import DemoOptions
        from gateway.demo_banner import demo_banner

        names = ("nodes", "pods_per_node", "churn", "seed", "host", "port")
        options = DemoOptions(**{name: getattr(arguments, name) for name in names})
        with _listening_on(options.host, options.port):
            return app.run_demo(options, lambda address: print(demo_banner(address), flush=True))  # noqa: T201

    return _until_stopped(run)


def _schema(_arguments: argparse.Namespace) -> int:
    from schema.schema import print_sdl

    sys.stdout.write(print_sdl())
    return OK


class CannotListen(Exception):  # noqa: N818 - reads as what happened
    """The address cannot be listened on; `str()` is one line with what to do."""


@contextmanager
def _listening_on(host: str, port: int) -> Iterator[None]:
    """Say what the operating system's refusals of an address mean, and what to do."""
    try:
        yield
    except (OSError, BaseExceptionGroup) as error:
        if (line := _refused(_first(error), host, port)) is None:
            raise
        raise CannotListen(line) from None


def _refused(error: BaseException, host: str, port: int) -> str | None:
    if not isinstance(error, OSError) or error.filename is not None:  # of a file, not of the address
        return None
    match error.errno:
        case socket.EAI_NONAME | socket.EAI_AGAIN:  # what asyncio and socket.create_server make of a gaierror
            return f"no address is known for the host {host}: choose another with --host"
        case errno.EADDRINUSE:
            return f"port {port} on {host} is in use: stop the program that has it, or choose another with --port"
        case errno.EACCES:
            return f"port {port} on {host} is not permitted to this user: choose one from 1024 up with --port"
        case errno.EADDRNOTAVAIL:
            return f"this machine has no address {host}: choose another with --host"
        case _:
            return None


def _until_stopped(run: Callable[[], int]) -> int:
    """The exit code of something that runs until it is told to stop: being told so is no failure."""
    try:
        with _sigterm_as_interrupt():
            return run()
    except KeyboardInterrupt:  # before the server listens to signals itself, or after
        return OK
    except Mistake:
        raise
    except Exception as error:  # noqa: BLE001 - the last place that can give the reason
        return _told(f"binnacle: {_reason(_first(error))}", FAILED)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Importing and starting take a second, in which SIGTERM would kill without closing anything."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _first(error: BaseException) -> BaseException:
    """Of a group its first member, which says more than that there are unhandled errors in a TaskGroup."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _reason(error: BaseException) -> str:
    kind = "" if isinstance(error, CannotListen) else type(error).__name__
    return _one_line(": ".join(part for part in (kind, str(error)) if part))


def _one_line(text: str) -> str:
    from gateway.logs import printable, redact

    return redact(printable(text))


class _Parser(argparse.ArgumentParser):
    """argparse with one line a mistake, which `main` prints."""

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument (\S+): (?=is )", r"\1 ", message)
        message = re.sub(r"^argument (\S+): expected one argument$", r"\1 needs a value", message)
        raise Mistake(f"{self.prog}: {message} (see {self.prog} --help)")


class _Version(argparse.Action):
    """`--version`, which reads the package's metadata only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_unused: object) -> None:
        from gateway.version import VERSION

        print(f"binnacle {VERSION}")  # noqa: T201
        parser.exit(OK)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser, commands = parsers()
    if not words:
        raise Mistake("binnacle: which command: serve, check, demo or schema? (see binnacle --help)")
    if words[0] in commands:
        parser = commands[words[0]]
        arguments, unknown = parser.parse_known_args(words[1:])
    elif words[0].startswith("-"):
        arguments, unknown = parser.parse_known_args(words[:1])
    else:
        raise Mistake(f"binnacle: no command {words[0]}{_meant(words[0], commands)} (see binnacle --help)")
    if unknown:
        word = unknown[0].partition("=")[0]
        kind = "flag" if word.startswith("-") else "argument"
        raise Mistake(f"{parser.prog}: no {kind} {word}{_meant(word, flags_of(parser))} (see {parser.prog} --help)")
    return arguments


def _meant(word: str, candidates: Iterable[str]) -> str:
    alike = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.7)
    return f"; did you mean {alike[0]}?" if alike else ""


def flags_of(parser: argparse.ArgumentParser) -> list[str]:
    """The long flags of a command, --help apart."""
    options = [flag for action in parser._actions for flag in action.option_strings]  # noqa: SLF001 - no public way
    return [flag for flag in options if flag.startswith("--") and flag != "--help"]


def parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of `binnacle` itself, and that of each command."""
    commands = {
        "serve": _serve_parser(),
        "check": _check_parser(),
        "demo": _demo_parser(),
        "schema": _schema_parser(),
    }
    parser, flags = _parser("binnacle", _ABOUT, _MORE)
    flags.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    return parser, commands


def _parser(prog: str, about: str, more: str) -> tuple[_Parser, argparse._ArgumentGroup]:
    """A parser, and the group its flags belong to. `about` stands above the flags in its help, `more` below."""
    parser = _Parser(
        prog=prog,
        usage=f"{prog} [flags]" if " " in prog else f"{prog} COMMAND [flags]",
        description=about,
        epilog=more,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=110),
        allow_abbrev=False,
        add_help=False,
    )
    flags = parser.add_argument_group("flags")
    flags.add_argument("-h", "--help", action="help", help="show this and exit")
    return parser, flags


_ABOUT = """\
Binnacle is a GraphQL gateway for a Kubernetes cluster: nodes, their pods and the metrics of both in one answer.

commands:
  serve   the gateway, for your cluster
  check   say what of config, cluster, permissions and Prometheus works for it, and what to do about the rest
  demo    the gateway, for a simulated cluster: nothing else is needed to try it
  schema  print the GraphQL schema"""

_MORE = """\
examples:
  binnacle demo
  binnacle serve --prometheus-url http://localhost:9090
  binnacle schema > schema.graphql

`binnacle COMMAND --help` has the flags of a command."""

_ABOUT_SERVE = """\
Serve GraphQL and GraphiQL on /graphql, for the cluster of your kubeconfig or the one this process runs in."""

_ABOUT_CHECK = """\
Ask everything that the gateway would ask, with the same settings, and say what works: the config, the API server, the
permissions of the gateway's own account (each missing rule as YAML), Prometheus and its series. Nothing is changed.
Exit code 1 if something fails that is needed."""

_MORE_CHECK = """\
examples:
  binnacle check
  binnacle check --prometheus-url http://localhost:9090 --output json
  kubectl exec deploy/binnacle -- binnacle check

✓ works   ✗ fails, and is needed   ! serves without it, somebody will miss something   · not asked"""

_MORE_SERVE = """\
examples:
  binnacle serve
      the current context of your kubeconfig; in a pod, its service account
  binnacle serve --context staging --prometheus-url http://localhost:9090
      another context, with metrics
  binnacle serve --config binnacle.yaml --port 8443 --tls-certificate tls.crt --tls-key tls.key
      settings from a file, two of them given here instead; https

Everything else is set in the config file or in BINNACLE_<SECTION>__<KEY> variables: see docs/configuration.md.
A flag wins over a variable, a variable over the file. On SIGTERM and Ctrl-C the requests under way are answered
before it ends."""

_ABOUT_DEMO = """\
Serve a simulated cluster, through the same gateway as `binnacle serve`. Prints its address, its tokens and a query to
try. The tokens are public: by default only this machine can connect."""

_MORE_DEMO = """\
examples:
  binnacle demo
  binnacle demo --nodes 300 --pods-per-node 30 --churn 50
      a large cluster where much happens"""

_ABOUT_SCHEMA = """\
Print the GraphQL schema (SDL) on standard output."""

_MORE_SCHEMA = """\
example:
  binnacle schema > schema.graphql"""


def _serve_parser() -> argparse.ArgumentParser:
    parser, flags = _parser("binnacle serve", _ABOUT_SERVE, _MORE_SERVE)
    parser.set_defaults(command=_serve)
    _add_settings(flags)
    return parser


def _check_parser() -> argparse.ArgumentParser:
    parser, flags = _parser("binnacle check", _ABOUT_CHECK, _MORE_CHECK)
    parser.set_defaults(command=_check)
    flags.add_argument("--output", choices=("text", "json"), default="text", help="how to tell it (default: text)")
    flags.add_argument("--grafana-url", metavar="URL", help="a Grafana beside: does it ask for a login?")
    _add_settings(flags)
    return parser


def _add_settings(flags: argparse._ArgumentGroup) -> None:
    """The flags that stand for keys of the config."""
    for flag, value, text in (
        ("--config", "FILE", "settings, in a .json, .yaml or .yml file (default: $BINNACLE_CONFIG, else none)"),
        ("--kubeconfig", "FILE", "kubeconfig of the cluster (default: in a pod its service account, else kubectl's)"),
        ("--context", "NAME", "context of the kubeconfig (default: its current one)"),
        ("--server", "URL", "address of the API server, instead of a kubeconfig"),
        (
            "--prometheus-url",
            "URL",
            "address of Prometheus (default: none, and CPU and memory of metrics.k8s.io alone)",
        ),
        ("--host", "ADDRESS", "address to listen on (default: 0.0.0.0, every interface)"),
        ("--port", "PORT", "port to listen on; 0 takes a free one (default: 8080)"),
        ("--tls-certificate", "FILE", "certificate with its intermediates, PEM; serves https (default: none, http)"),
        ("--tls-key", "FILE", "private key of the certificate, PEM"),
        ("--log-level", "LEVEL", "debug, info, warning or error (default: info)"),
        ("--log-format", "FORMAT", "text or json, on standard error (default: text)"),
    ):
        flags.add_argument(flag, metavar=value, help=text, type=Path if flag == "--config" else str)


def _demo_parser() -> argparse.ArgumentParser:
    parser, flags = _parser("binnacle demo", _ABOUT_DEMO, _MORE_DEMO)
    parser.set_defaults(command=_demo)
    number, share = _number(int, "a whole number"), _number(float, "a number")
    # The cluster's own defaults stand in gateway.demo, which is slow to import; a test holds them equal.
    for flag, value, default, kind, text in (
        ("--nodes", "COUNT", 6, number(1, 5_000), "nodes, one of them the control plane"),
        ("--pods-per-node", "COUNT", 15, number(0, 500), "pods on each node, about"),
        ("--churn", "COUNT", 1.0, share(0, 10_000), "changes a second; 0: nothing ever happens"),
        ("--seed", "NUMBER", 20, number(0, 2**63), "the same seed makes the same cluster"),
        ("--host", "ADDRESS", "127.0.0.1", str, "address to listen on"),
        ("--port", "PORT", 8080, number(0, 65_535), "port to listen on; 0 takes a free one"),
    ):
        flags.add_argument(flag, metavar=value, default=default, type=kind, help=f"{text} (default: %(default)s)")
    return parser


def _schema_parser() -> argparse.ArgumentParser:
    parser, _flags = _parser("binnacle schema", _ABOUT_SCHEMA, _MORE_SCHEMA)
    parser.set_defaults(command=_schema)
    return parser


def _number(kind: Callable[[str], float], words: str) -> Callable[[float, float], Callable[[str], float]]:
    """Makes argparse's types: numbers of a kind, within bounds."""

    def between(least: float, most: float) -> Callable[[str], float]:
        def parse(text: str) -> float:
            try:
                number = kind(text)
            except ValueError:
                number = math.nan
            if not least <= number <= most:
                raise argparse.ArgumentTypeError(f'is "{text}": must be {words} from {least} to {most}')
            return number

        return parse

    return between
