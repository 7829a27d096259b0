"""The config: three places in rising priority, the old dashboard's keys, and every mistake one exact line."""

import datetime as dt
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.config import Config, ConfigError, ServerSettings, keys, load_config
from gateway.config_sources import FLAGS, OLD_KEYS, variable

ROOT = Path(__file__).parents[2]

SERVER_KEYS = (
    "host, port, protocol, tls_certificate, tls_key, tls_client_ca, tls_minimum_version, connections, "
    "header_limit_bytes, header_seconds, body_seconds, idle_seconds, stalled_seconds, body_limit_bytes, "
    "persisted_documents_bytes, trusted_documents, trusted_documents_only, shared_secret_file, cors_origins, "
    "request_seconds, requests_at_work, requests_per_user, requests_waiting, wait_seconds, unsent_bytes, "
    "shutdown_grace_seconds, log_level, log_format"
)
TOP_KEYS = (
    "server, kubernetes, prometheus, auth, oidc, execution, limits, telemetry, k8sConfigPath, brokerListenPort, "
    "brokerProtocol, prometheusAddress, prometheusPort, prometheusProtocol"
)
SECTIONS = "SERVER, KUBERNETES, PROMETHEUS, AUTH, OIDC, EXECUTION, LIMITS, TELEMETRY"
VARIABLES = f"the variables are BINNACLE_CONFIG and BINNACLE_<SECTION>__<KEY> with the sections {SECTIONS}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test stands in an empty folder of its own, as a user in a terminal."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text=None, *, name="binnacle.yaml", environ=None, flags=None):
    """What these places say; the file is given by --config."""
    file = None
    if text is not None:
        file = Path(name)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(flags or {}, environ or {}, file)


def refusal(*args, **kwargs):
    """The one line that stops the start."""
    with pytest.raises(ConfigError) as stopped:
        load(*args, **kwargs)
    line = str(stopped.value)
    assert line.isprintable()
    return line


def certificate(key, *, name="localhost"):
    """A certificate of `key`, signed by itself, as PEM."""
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + dt.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def pem(key, *, password=None):
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


@pytest.fixture
def pair(folder):
    """tls.crt and tls.key, which belong together."""
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "tls.crt").write_bytes(certificate(key))
    (folder / "tls.key").write_bytes(pem(key))
    return {"tls_certificate": "tls.crt", "tls_key": "tls.key"}


# Three places


def test_nothing_written_is_the_default_config():
    """Every setting has a default; none must be given."""
    config = load()

    assert config == Config()
    assert (config.server.host, config.server.port, config.server.protocol) == ("0.0.0.0", 8080, "http")
    assert config.prometheus.url is None


def test_a_config_made_in_code_reads_no_environment(monkeypatch):
    """Only `load_config` reads anything, so that tests and the demo get what they say."""
    monkeypatch.setenv("BINNACLE_SERVER__PORT", "9999")
    monkeypatch.setenv("SERVER", '{"port": 9999}')

    assert Config(server=ServerSettings(host="::1")).server.port == 8080


@pytest.mark.parametrize("name", ["binnacle.yaml", "binnacle.yml", "binnacle.json"])
def test_the_file_is_yaml_or_json_by_its_name(name):
    """Sections of keys, the same in both."""
    text = json.dumps({"server": {"port": 8443}, "prometheus": {"url": "http://prometheus:9090"}})

    config = load(text, name=name)

    assert (config.server.port, config.prometheus.url) == (8443, "http://prometheus:9090")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("binnacle.yaml", ""),
        ("binnacle.yaml", "# nothing yet\n"),
        ("binnacle.yaml", "---\n"),
        ("binnacle.json", " \n"),
        ("binnacle.json", "{}"),
        ("binnacle.json", "\ufeff{}"),
    ],
)
def test_an_empty_file_is_the_default_config(name, text):
    """Somebody who has written nothing yet has made no mistake."""
    assert load(text, name=name) == Config()


@pytest.mark.parametrize(
    ("text", "environ", "flags"),
    [
        ("server:\nprometheus:\n  url:\n", {}, {}),
        ('{server: {port: ""}, prometheusAddress: "", k8sConfigPath: ""}', {}, {}),
        (None, {"BINNACLE_SERVER__PORT": "", "BINNACLE_CONFIG": "", "BINNACLE_PROMETHEUS__CATALOGUE": ""}, {}),
        (None, {}, {"--port": "", "--kubeconfig": ""}),
    ],
)
def test_an_empty_value_counts_as_not_written(text, environ, flags):
    """Templates leave such values behind; in the old dashboard an empty k8sConfigPath meant in-cluster."""
    assert load(text, environ=environ, flags=flags) == Config()


@pytest.mark.parametrize(
    ("file", "environ", "flags", "port"),
    [
        ("server: {port: 1}", {}, {}, 1),
        ("server: {port: 1}", {"BINNACLE_SERVER__PORT": "2"}, {}, 2),
        ("server: {port: 1}", {"BINNACLE_SERVER__PORT": "2"}, {"--port": "3"}, 3),
        ("server: {port: 1}", {}, {"--port": "3"}, 3),
        ("brokerListenPort: 1", {"BINNACLE_SERVER__PORT": "2"}, {}, 2),
        ("brokerListenPort: 1", {}, {"--port": "3"}, 3),
    ],
)
def test_a_flag_wins_over_a_variable_and_a_variable_over_the_file(file, environ, flags, port):
    """In rising priority: file, environment, flags; what a place does not say, it does not change."""
    config = load(f"{file}\nprometheusAddress: prometheus", environ=environ, flags=flags)

    assert config.server.port == port
    assert config.prometheus.url == "http://prometheus:9090"


def test_the_file_may_be_named_by_a_variable_and_the_flag_wins(folder):
    """BINNACLE_CONFIG is for images and charts, --config for people."""
    (folder / "a.yaml").write_text("server: {port: 1}")

    assert load(environ={"BINNACLE_CONFIG": "a.yaml"}).server.port == 1
    assert load("server: {port: 2}", environ={"BINNACLE_CONFIG": "a.yaml"}).server.port == 2


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_sets_its_key(flag, folder, pair):
    """Each flag of `binnacle serve` that stands for a key."""
    (folder / "kubeconfig").write_text("")
    values = {
        "--kubeconfig": "kubeconfig",
        "--context": "staging",
        "--server": "https://10.0.0.1:6443",
        "--prometheus-url": "http://prometheus:9090",
        "--host": "127.0.0.1",
        "--port": "8443",
        "--tls-certificate": "tls.crt",
        "--tls-key": "tls.key",
        "--log-level": "debug",
        "--log-format": "json",
    }
    with_it = {name: values[name] for name in ("--tls-certificate", "--tls-key") if flag.startswith("--tls")}

    config = load(flags={flag: values[flag], **with_it})

    section, name = FLAGS[flag]
    assert str(getattr(getattr(config, section), name)) == values[flag]


@pytest.mark.parametrize("key", keys(), ids=".".join)
def test_every_key_can_be_set_by_its_variable(key):
    """BINNACLE_<SECTION>__<KEY> reaches its key: a wrong value is refused under the variable's name."""
    wrong = {"host": None, "metrics_host": None, "context": None, "tenant": None}.get(key[1], "~")
    name = variable(*key)
    if wrong is None:
        config = load(environ={name: "given"})
        assert getattr(getattr(config, key[0]), key[1]) == "given"
    else:
        assert refusal(environ={name: wrong}).startswith(name)


def test_keys_and_values_in_a_variable_are_json():
    """The catalogue is the one setting that is no single value."""
    config = load(environ={"BINNACLE_PROMETHEUS__CATALOGUE": '{"CPU_USAGE": {"POD": "cpu{$selector}"}}'})

    ((metric, levels),) = config.prometheus.catalogue.items()
    assert (str(metric.value), list(levels.values())) == ("CPU_USAGE", ["cpu{$selector}"])


def test_a_path_may_begin_at_the_home_directory(folder, monkeypatch):
    """Where no shell expands it, in a file or a unit's environment, `~` means what it means in a shell."""
    monkeypatch.setenv("HOME", str(folder))
    (folder / "kubeconfig").write_text("")

    for config in (
        load("k8sConfigPath: ~/kubeconfig"),
        load(environ={"BINNACLE_KUBERNETES__KUBECONFIG": "~/kubeconfig"}),
    ):
        assert config.kubernetes.kubeconfig == folder / "kubeconfig"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BINNACLE_SERVICE_HOST", "10.0.0.1"),
        ("BINNACLE_SERVICE_PORT", "8080"),
        ("BINNACLE_SERVICE_PORT_HTTP", "8080"),
        ("BINNACLE_PORT", "tcp://10.0.0.1:8080"),
        ("BINNACLE_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("BINNACLE_PORT_8080_TCP_PROTO", "tcp"),
        ("BINNACLE_PORT_8080_TCP_PORT", "8080"),
        ("BINNACLE_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("BINNACLE_PROMETHEUS_SERVICE_PORT_WEB", "9090"),
        ("BINNACLE_PROMETHEUS_PORT", "tcp://10.0.0.1:9090"),
        ("BINNACLE_PROMETHEUS_PORT_9090_TCP_ADDR", "10.0.0.1"),
        ("BINNACLES", "another program's"),
    ],
)
def test_variables_that_kubernetes_sets_beside_a_service_stop_nothing(name, value):
    """A Service called binnacle puts these into every pod of its namespace, the gateway's own included."""
    assert load(environ={name: value}) == Config()


# The old dashboard's keys


def test_the_old_dashboards_config_file_is_accepted_as_it_was(folder):
    """All six keys, in JSON, with its ports as numbers."""
    (folder / "kubeconfig").write_text("")
    old = {
        "k8sConfigPath": "kubeconfig",
        "brokerListenPort": 3001,
        "brokerProtocol": "http",
        "prometheusAddress": "10.0.0.2",
        "prometheusPort": 30090,
        "prometheusProtocol": "https",
    }

    config = load(json.dumps(old), name="config.json")

    assert config.kubernetes.kubeconfig == Path("kubeconfig")
    assert (config.server.port, config.server.protocol) == (3001, "http")
    assert config.prometheus.url == "https://10.0.0.2:30090"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("prometheusAddress: prometheus", "http://prometheus:9090"),
        ("prometheusAddress: prometheus\nprometheusPort: 30090", "http://prometheus:30090"),
        ("prometheusAddress: prometheus\nprometheusPort: '30090'", "http://prometheus:30090"),
        ("prometheusAddress: prometheus\nprometheusProtocol: https", "https://prometheus:9090"),
        ("prometheusAddress: prometheus-server.monitoring.svc", "http://prometheus-server.monitoring.svc:9090"),
        ("prometheusAddress: 10.0.0.2", "http://10.0.0.2:9090"),
        ("prometheusAddress: 'fd00::2'", "http://[fd00::2]:9090"),
        ("prometheusAddress: '[fd00::2]'", "http://[fd00::2]:9090"),
    ],
)
def test_address_port_and_protocol_of_prometheus_become_its_url(text, url):
    """The address alone is enough: http and Prometheus' own port are the rest."""
    assert load(text).prometheus.url == url


def test_old_https_takes_the_new_certificate(pair):
    """brokerProtocol https needs the files that the old middleware had elsewhere."""
    config = load(json.dumps({"brokerProtocol": "https", "server": pair}), name="config.json")

    assert config.server.protocol == "https"


@pytest.mark.parametrize(
    ("old", "new", "both"),
    [
        ("k8sConfigPath: a", "kubernetes: {kubeconfig: a}", "k8sConfigPath and kubernetes.kubeconfig"),
        ("brokerListenPort: 80", "server: {port: 80}", "brokerListenPort and server.port"),
        ("brokerProtocol: http", "server: {protocol: http}", "brokerProtocol and server.protocol"),
        ("prometheusAddress: a", "prometheus: {url: 'http://a'}", "prometheusAddress and prometheus.url"),
        (
            "prometheusAddress: a\nprometheusPort: 1",
            "prometheus: {url: 'http://a'}",
            "prometheusAddress, prometheusPort and prometheus.url",
        ),
    ],
)
def test_an_old_key_and_the_new_one_for_the_same_thing_contradict_each_other(old, new, both):
    """Whichever won, somebody would be surprised; even where they say the same."""
    assert refusal(f"{old}\n{new}") == f"{both} in binnacle.yaml say the same thing: keep one of them"


# https


def test_a_certificate_and_its_key_mean_https(pair):
    """Two files or two flags are enough; nobody must say so twice."""
    assert load(json.dumps({"server": pair})).server.protocol == "https"
    assert load(flags={"--tls-certificate": "tls.crt", "--tls-key": "tls.key"}).server.protocol == "https"


@pytest.mark.parametrize(
    ("text", "flags", "line"),
    [
        (
            "server: {protocol: https}",
            {},
            (
                'server.protocol in binnacle.yaml is "https": '
                "https needs both files: `protocol` https, `tls_certificate` and `tls_key`"
            ),
        ),
        (
            "brokerProtocol: https\nserver: {port: 80}",
            {},
            (
                'brokerProtocol in binnacle.yaml is "https": '
                "https needs both files: `protocol` https, `tls_certificate` and `tls_key`"
            ),
        ),
        (
            None,
            {"--tls-certificate": "tls.crt"},
            '--tls-certificate is "tls.crt": https needs both files: `protocol` https, `tls_certificate` and `tls_key`',
        ),
        (
            "server: {protocol: http}",
            {"--tls-certificate": "tls.crt", "--tls-key": "tls.key"},
            (
                'server.protocol in binnacle.yaml is "http", --tls-certificate is "tls.crt", --tls-key is "tls.key": '
                "`protocol` http has no use for `tls_certificate` and `tls_key`: must be https with them"
            ),
        ),
        (
            "server: {tls_client_ca: tls.crt}",
            {},
            (
                'server.tls_client_ca in binnacle.yaml is "tls.crt": '
                "`protocol` http has no use for `tls_client_ca`: must be https with it"
            ),
        ),
        (
            "server: {trusted_documents_only: true}",
            {},
            (
                "server.trusted_documents_only in binnacle.yaml is true: "
                "nothing could be asked: `trusted_documents_only` needs `trusted_documents`"
            ),
        ),
        (
            "server: {trusted_documents: tls.key}",
            {},
            (
                'server.trusted_documents in binnacle.yaml is "tls.key": it must be a JSON object of ids and '
                "documents, or Apollo's manifest: JSON is malformed: invalid character (byte 1)"
            ),
        ),
        (
            "server: {tls_client_ca: tls.key}",
            {"--tls-certificate": "tls.crt", "--tls-key": "tls.key"},
            ('server.tls_client_ca in binnacle.yaml is "tls.key": it must hold certificates of authorities (PEM)'),
        ),
    ],
)
@pytest.mark.usefixtures("pair")
def test_https_and_its_files_belong_together(text, flags, line):
    """https without its files, and files without https: tokens would go over the wire in the clear."""
    assert refusal(text, flags=flags) == line


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("./short", 'is "./short": it must hold 32 bytes at least, and holds 5'),
        ("3f1c-the-secret-itself-where-its-path-belongs", "(value not shown): there is no such file"),
    ],
)
def test_a_shared_secret_is_long_and_never_shown(folder, written, line):
    """One that can be guessed is none; one that was written into the config does not go on into the log."""
    (folder / "short").write_text("3f1c4\n")

    assert refusal(f"server: {{shared_secret_file: {written}}}") == (
        f"server.shared_secret_file in binnacle.yaml {line}"
    )


ISSUER = "issuer: https://id.example, audiences: [binnacle]"
CONTRADICTIONS = {
    "auth: {authenticators: []}": (
        "auth.authenticators in binnacle.yaml is a list: `authenticators` must name one at least: nobody could come in"
    ),
    "auth: {authenticators: [oidc]}": (
        "auth.authenticators in binnacle.yaml is a list: `auth.authenticators` with oidc and `oidc.issuer` need each "
        "other"
    ),
    f"oidc: {{{ISSUER}}}": (
        'oidc.issuer in binnacle.yaml is "https://id.example": `auth.authenticators` with oidc and `oidc.issuer` need '
        "each other"
    ),
    "oidc: {audiences: [binnacle]}": (
        "oidc.audiences in binnacle.yaml is a list: `audiences` counts only together with `issuer`"
    ),
    "oidc: {issuer: 'https://id.example'}": (
        'oidc.issuer in binnacle.yaml is "https://id.example": '
        "`issuer` needs `audiences`: else tokens for any of its clients would be accepted"
    ),
    f"auth: {{authenticators: [oidc]}}\noidc: {{{ISSUER}, groups_prefix: 'system:'}}": (
        'oidc.groups_prefix in binnacle.yaml is "system:": `groups_prefix` must not begin with system:, '
        "the cluster's own names"
    ),
    "auth: {authenticators: [token_file]}": (
        "auth.authenticators in binnacle.yaml is a list: "
        "`authenticators` with token_file and `token_auth_file` need each other"
    ),
    "auth: {token_auth_file: /etc/tokens.csv}": (
        'auth.token_auth_file in binnacle.yaml is "/etc/tokens.csv": '
        "`authenticators` with token_file and `token_auth_file` need each other"
    ),
    "auth: {authenticators: [self_subject_review, token_review]}": (
        "auth.authenticators in binnacle.yaml is a list: `authenticators` has self_subject_review, which goes alone: "
        "others' users have no token that the API server would review them by"
    ),
    "auth: {authenticators: [self_subject_review], audiences: [binnacle]}": (
        "auth.authenticators in binnacle.yaml is a list, auth.audiences in binnacle.yaml is a list: "
        "`audiences` are part of a TokenReview: `authenticators` must name token_review"
    ),
    f"auth: {{authenticators: [oidc]}}\noidc: {{{ISSUER}, algorithms: [RS256, HS256]}}": (
        "entry 2 of oidc.algorithms in binnacle.yaml is \"HS256\": must be 'RS256', 'RS384', 'RS512', 'PS256', "
        "'PS384', 'PS512', 'ES256', 'ES384', 'ES512' or 'EdDSA'"
    ),
    "auth: {authenticators: [webhook]}": (
        "entry 1 of auth.authenticators in binnacle.yaml (value not shown): must be 'token_review', 'oidc', "
        "'token_file' or 'self_subject_review'"
    ),
    "auth: {authenticators: oidc}": "auth.authenticators in binnacle.yaml (value not shown): must be a list",
    "auth: {authenticators: [token_review, token_review]}": (
        "auth.authenticators in binnacle.yaml is a list: `authenticators` names one of them twice"
    ),
}


@pytest.mark.parametrize(("text", "line"), CONTRADICTIONS.items(), ids=list(CONTRADICTIONS))
def test_authenticators_that_contradict_each_other_stop_the_start(text, line):
    """In one line that names the keys, so that nothing is half configured: neither open nor shut by mistake."""
    assert refusal(text) == line


@pytest.mark.parametrize(
    ("key_file", "reason"),
    [
        (pem(ec.generate_private_key(ec.SECP256R1())), "the key does not belong to the certificate"),
        (
            pem(ec.generate_private_key(ec.SECP256R1()), password=b"s3cr3t"),
            "the key is encrypted: store it without a passphrase, readable by the gateway alone",
        ),
        (b"no key at all", "they must be a certificate and its private key, both PEM"),
    ],
)
@pytest.mark.usefixtures("pair")
def test_a_key_that_cannot_serve_stops_the_start(folder, key_file, reason):
    """Not the first client finds out, and nobody is asked for a passphrase on a terminal that is not there."""
    (folder / "tls.key").write_bytes(key_file)

    line = refusal("server: {tls_certificate: tls.crt}", flags={"--tls-key": "tls.key"})

    assert line == f"server.tls_certificate in binnacle.yaml and --tls-key: {reason}"


# Mistakes, each one line

MISTAKES_IN_THE_FILE = {
    # wrong values
    "server: {port: 70000}": "server.port in binnacle.yaml is 70000: must be a whole number from 0 to 65535",
    "server: {port: -1}": "server.port in binnacle.yaml is -1: must be a whole number from 0 to 65535",
    "server: {port: http}": 'server.port in binnacle.yaml is "http": must be a whole number from 0 to 65535',
    "server: {port: 80.5}": "server.port in binnacle.yaml is 80.5: must be a whole number from 0 to 65535",
    "server: {port: yes}": "server.port in binnacle.yaml is true: must be a whole number from 0 to 65535",
    "server: {port: [80]}": "server.port in binnacle.yaml is a list: must be a whole number from 0 to 65535",
    "server: {port: {a: 1}}": "server.port in binnacle.yaml is keys and values: must be a whole number from 0 to 65535",
    "server: {host: 1}": "server.host in binnacle.yaml is 1: must be text",
    "server: {host: 2026-11-24}": "server.host in binnacle.yaml (value not shown): must be text",
    "server: {protocol: ftp}": 'server.protocol in binnacle.yaml is "ftp": must be http or https',
    "server: {log_level: loud}": 'server.log_level in binnacle.yaml is "loud": must be debug, info, warning or error',
    "server: {shutdown_grace_seconds: .nan}": (
        "server.shutdown_grace_seconds in binnacle.yaml is NaN: must be a number from 0 to 3600"
    ),
    "prometheus: {timeout_seconds: 99}": (
        "prometheus.timeout_seconds in binnacle.yaml is 99: must be a number above 0 up to 60"
    ),
    "kubernetes: {insecure_skip_tls_verify: maybe}": (
        'kubernetes.insecure_skip_tls_verify in binnacle.yaml is "maybe": must be true or false'
    ),
    "auth: {token_limit_bytes: 2k}": (
        'auth.token_limit_bytes in binnacle.yaml is "2k": must be a whole number from 1 to 1048576'
    ),
    "prometheus: {catalogue: 4}": "prometheus.catalogue in binnacle.yaml is 4: must be keys and values",
    "prometheus: {catalogue: {CPU_USAG: {POD: x}}}": (
        "prometheus.catalogue.CPU_USAG in binnacle.yaml: no such key; must be 'CPU_USAGE', 'CPU_REQUEST', 'CPU_LIMIT', "
        "'CPU_ALLOCATABLE', 'CPU_REQUEST_UTILIZATION', 'CPU_LIMIT_UTILIZATION', 'CPU_ALLOCATABLE_UTILIZATION', "
        "'CPU_THROTTLING', 'MEMORY_USAGE', 'MEMORY_REQUEST', 'MEMORY_LIMIT', 'MEMORY_ALLOCATABLE', "
        "'MEMORY_REQUEST_UTILIZATION', 'MEMORY_LIMIT_UTILIZATION', 'MEMORY_ALLOCATABLE_UTILIZATION', "
        "'NETWORK_RECEIVE', 'NETWORK_TRANSMIT', 'FILESYSTEM_USAGE', 'FILESYSTEM_SIZE', 'DISK_READ' or 'DISK_WRITE'"
    ),
    "prometheus: {catalogue: {CPU_USAGE: {POD: 4}}}": (
        "prometheus.catalogue.CPU_USAGE.POD in binnacle.yaml is 4: must be a valid string"
    ),
    "server: 8080": f"server in binnacle.yaml (value not shown): must hold {SERVER_KEYS}",
    "server: [port]": f"server in binnacle.yaml is a list: must hold {SERVER_KEYS}",
    # the old keys
    "brokerListenPort: 65536": "brokerListenPort in binnacle.yaml is 65536: must be a whole number from 0 to 65535",
    "brokerListenPort: http": 'brokerListenPort in binnacle.yaml is "http": must be a whole number from 0 to 65535',
    "brokerProtocol: tcp": 'brokerProtocol in binnacle.yaml is "tcp": must be http or https',
    "k8sConfigPath: none": 'k8sConfigPath in binnacle.yaml is "none": there is no such file',
    "k8sConfigPath: .": 'k8sConfigPath in binnacle.yaml is ".": that is a directory; must be a file',
    "k8sConfigPath: 8": "k8sConfigPath in binnacle.yaml is 8: must be the path of a file",
    "prometheusPort: 9090": "prometheusPort in binnacle.yaml: nothing without prometheusAddress",
    "{prometheusAddress: a, prometheusPort: 0}": (
        'prometheusPort in binnacle.yaml is "0": must be a whole number from 1 to 65535'
    ),
    "{prometheusAddress: a, prometheusPort: 65536}": (
        'prometheusPort in binnacle.yaml is "65536": must be a whole number from 1 to 65535'
    ),
    "{prometheusAddress: a, prometheusProtocol: grpc}": (
        'prometheusProtocol in binnacle.yaml is "grpc": must be http or https'
    ),
    "prometheusAddress: http://prometheus:9090": (
        'prometheusAddress in binnacle.yaml is "http://prometheus:9090": '
        "must be a host's name or IP address alone; a whole URL goes into prometheus.url"
    ),
    # unknown keys
    "server: {prot: 80}": (
        f"server.prot in binnacle.yaml is 80: no such key; did you mean server.port? server has {SERVER_KEYS}"
    ),
    "server: {tlsCertificate: tls.crt}": (
        'server.tlsCertificate in binnacle.yaml is "tls.crt": no such key; '
        f"did you mean server.tls_certificate? server has {SERVER_KEYS}"
    ),
    "server: {url: 'http://prometheus'}": (
        'server.url in binnacle.yaml is "http://prometheus": no such key; '
        f"did you mean prometheus.url? server has {SERVER_KEYS}"
    ),
    "server: {colour: blue}": (
        f"server.colour in binnacle.yaml (value not shown): no such key; server has {SERVER_KEYS}"
    ),
    "port: 80": f"port in binnacle.yaml is 80: no such key; did you mean server.port? the keys are {TOP_KEYS}",
    "servr: {port: 80}": f"servr in binnacle.yaml: no such key; did you mean server? the keys are {TOP_KEYS}",
    "prometheusAdress: prometheus": (
        'prometheusAdress in binnacle.yaml is "prometheus": no such key; '
        f"did you mean prometheusAddress? the keys are {TOP_KEYS}"
    ),
    "brokerPort: 80": (
        f"brokerPort in binnacle.yaml is 80: no such key; did you mean brokerListenPort? the keys are {TOP_KEYS}"
    ),
    "colour: blue": f"colour in binnacle.yaml (value not shown): no such key; the keys are {TOP_KEYS}",
    "8080: true": f"8080 in binnacle.yaml is true: no such key; the keys are {TOP_KEYS}",
    # syntax
    "server: {port: 80": ("binnacle.yaml is no YAML: expected ',' or '}', but got '<stream end>' at line 1, column 18"),
    "server:\n\tport: 80": "binnacle.yaml is no YAML: found character that cannot start any token at line 2, column 1",
    "a: \x01": "binnacle.yaml is no YAML: it holds characters that no text has",
    "a: 2026-13-45": "binnacle.yaml is no YAML: it holds a date or number that does not exist",
    "a: !custom b": "binnacle.yaml is no YAML: could not determine a constructor for the tag at line 1, column 4",
    "[" * 5_000: "binnacle.yaml is nested too deeply",
    "- server": "binnacle.yaml holds a list: must hold keys and values",
    "server": "binnacle.yaml holds a single value: must hold keys and values",
    "server: {port: 1}\nserver: {host: a}": (
        "server in binnacle.yaml is written twice, in lines 1 and 2: keep one of them"
    ),
    "server:\n  port: 1\n  host: a\n  port: 1": (
        "port in binnacle.yaml is written twice, in lines 2 and 4: keep one of them"
    ),
    "server: {port: 1, port: 2}": "port in binnacle.yaml is written twice, in line 1: keep one of them",
    b"server: {host: \xff}": "binnacle.yaml is not UTF-8 text",
}


@pytest.mark.parametrize(
    ("text", "line"), MISTAKES_IN_THE_FILE.items(), ids=[str(text)[:40] for text in MISTAKES_IN_THE_FILE]
)
def test_a_mistake_in_the_file_is_one_line(text, line):
    """The key as it was written, where, its value, and what is allowed."""
    assert refusal(text) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"server": }', "binnacle.json is no JSON: Expecting value at line 1, column 12"),
        (
            '{"server": {},\n}',
            "binnacle.json is no JSON: Expecting property name enclosed in double quotes at line 2, column 1",
        ),
        ('{"server": {"port": 1, "port": 2}}', "port in binnacle.json is written twice: keep one of them"),
        ("[]", "binnacle.json holds a list: must hold keys and values"),
        ("[" * 200_000, "binnacle.json is nested too deeply"),
    ],
    ids=["no value", "trailing comma", "twice", "a list", "deep"],
)
def test_a_mistake_in_a_json_file_is_one_line(text, line):
    """JSON's own mistakes, with the place where it stopped."""
    assert refusal(text, name="binnacle.json") == line


def test_a_yaml_file_may_share_a_block_and_override_a_key_of_it():
    """YAML's merge key is a way of writing, no key written twice."""
    config = load("prometheus:\n  <<: &slow {timeout_seconds: 9, retry_after_seconds: 8}\n  retry_after_seconds: 7")

    assert (config.prometheus.timeout_seconds, config.prometheus.retry_after_seconds) == (9, 7)


@pytest.mark.parametrize(
    ("environ", "file", "line"),
    [
        ({}, "none.yaml", '--config is "none.yaml": there is no such file'),
        ({"BINNACLE_CONFIG": "none.yaml"}, None, 'BINNACLE_CONFIG is "none.yaml": there is no such file'),
        ({}, "binnacle.toml", '--config is "binnacle.toml": must be a .json, .yaml or .yml file'),
        ({}, "folder.yaml", '--config is "folder.yaml": that is a directory; must be a file'),
        ({}, "closed.yaml", '--config is "closed.yaml": this process may not read it'),
    ],
)
def test_a_config_file_that_cannot_be_read_is_named_with_who_named_it(folder, monkeypatch, environ, file, line):
    """The flag or the variable, and the reason."""
    (folder / "folder.yaml").mkdir()
    (folder / "closed.yaml").touch()
    monkeypatch.setattr("os.access", lambda path, _mode: "closed" not in str(path))  # root may read everything

    with pytest.raises(ConfigError, match=f"^{re.escape(line)}$"):
        load_config({}, environ, Path(file) if file else None)


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"BINNACLE_SERVER__PORT": "http"},
            'BINNACLE_SERVER__PORT is "http": must be a whole number from 0 to 65535',
        ),
        (
            {"BINNACLE_PROMETHEUS__CATALOGUE": "cpu"},
            'BINNACLE_PROMETHEUS__CATALOGUE is "cpu": must be JSON (Expecting value at column 1)',
        ),
        (
            {"BINNACLE_PROMETHEUS__CATALOGUE": '{"CPU_USAGE": {"POD": 4}}'},
            "BINNACLE_PROMETHEUS__CATALOGUE.CPU_USAGE.POD is 4: must be a valid string",
        ),
        (
            {"BINNACLE_PROMETHEUS_URL": "http://prometheus:9090"},
            (
                'BINNACLE_PROMETHEUS_URL is "http://prometheus:9090": no such variable; '
                f"did you mean BINNACLE_PROMETHEUS__URL? {VARIABLES}"
            ),
        ),
        (
            {"BINNACLE_PORT": "8080"},
            f'BINNACLE_PORT is "8080": no such variable; did you mean BINNACLE_SERVER__PORT? {VARIABLES}',
        ),
        (
            {"BINNACLE_CONFG": "binnacle.yaml"},
            f"BINNACLE_CONFG (value not shown): no such variable; did you mean BINNACLE_CONFIG? {VARIABLES}",
        ),
        ({"BINNACLE_COLOUR": "blue"}, f"BINNACLE_COLOUR (value not shown): no such variable; {VARIABLES}"),
        (
            {"BINNACLE_SERVER": "https://10.0.0.1"},
            (
                'BINNACLE_SERVER is "https://10.0.0.1": no such variable; '
                f"did you mean BINNACLE_KUBERNETES__SERVER? {VARIABLES}"
            ),
        ),
    ],
)
def test_a_mistake_in_the_environment_is_one_line(environ, line):
    """Under the variable's own name; one that nobody knows is a mistake too."""
    assert refusal(environ=environ) == line


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"--port": "70000"}, '--port is "70000": must be a whole number from 0 to 65535'),
        ({"--log-format": "xml"}, '--log-format is "xml": must be text or json'),
        ({"--kubeconfig": "none"}, '--kubeconfig is "none": there is no such file'),
        (
            {"--server": "https://10.0.0.1", "--context": "a"},
            (
                '--server is "https://10.0.0.1", --context is "a": '
                "`server` and `kubeconfig`/`context` are two ways to one place: give one of them"
            ),
        ),
    ],
)
def test_a_mistake_in_a_flag_is_one_line(flags, line):
    """Under the flag's own name."""
    assert refusal(flags=flags) == line


def test_the_line_names_the_place_whose_value_counted():
    """The file's value is right, the variable's is not, and the variable wins."""
    line = refusal("server: {port: 80}", environ={"BINNACLE_SERVER__PORT": "x"})

    assert line == 'BINNACLE_SERVER__PORT is "x": must be a whole number from 0 to 65535'


SECRET = "s3cr3t"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "environ", "flags"),
    [
        (f"prometheus: {{password: {SECRET}}}", {}, {}),
        (f"prometheus: {{pass: {SECRET}}}", {}, {}),
        (f"prometheus: {{user: {SECRET}}}", {}, {}),
        (f"prometheus: {{ul: {SECRET}}}", {}, {}),
        (f"prometheusPass: {SECRET}", {}, {}),
        (f"prometheus: {{bearer_token: {SECRET}}}", {}, {}),
        (f"prometheus: {{bearer_token_file: {SECRET}}}", {}, {}),
        (f"prometheus: {{tokenfile: {SECRET}}}", {}, {}),
        (f"kubernetes: {{token_file: {SECRET}, server: 'https://a'}}", {}, {}),
        (f"kubernetes: {{token: {SECRET}}}", {}, {}),
        (f"token: {SECRET}", {}, {}),
        (f"apiKey: {SECRET}", {}, {}),
        (f"prometheus: {{url: 'http://ada:{SECRET}@prometheus:9090'}}", {}, {}),
        (f"prometheus: {{url: 'http://ada:{SECRET}/x@prometheus:9090'}}", {}, {}),
        (f"prometheus: {{ulr: 'http://ada:{SECRET}@prometheus:9090'}}", {}, {}),
        (f"prometheusAddress: ada:{SECRET}@prometheus", {}, {}),
        (f"prometheusAddress: http://ada:{SECRET}@prometheus", {}, {}),
        (f"server: {{port: {JWT}}}", {}, {}),
        (f"server: {{port: Bearer {SECRET}}}", {}, {}),
        (f"prometheus: {{password: *{SECRET}}}", {}, {}),
        (f"prometheus: {{password: !{SECRET} a}}", {}, {}),
        (f"password: [{SECRET}", {}, {}),
        (None, {"BINNACLE_PROMETHEUS__PASSWORD": SECRET}, {}),
        (None, {"BINNACLE_TOKEN": SECRET}, {}),
        (None, {"BINNACLE_PROMETHEUS": f'{{"url": "{SECRET}"}}'}, {}),
        (None, {"BINNACLE_PROMETHEUS_AUTH": SECRET}, {}),
        (None, {"BINNACLE_PROMETHEUS__BEARER_TOKEN_FILE": SECRET}, {}),
        (None, {"BINNACLE_PROMETHEUS__URL": f"ftp://ada:{SECRET}@prometheus"}, {}),
        (None, {"BINNACLE_PROMETHEUS_URL": f"http://ada:{SECRET}@prometheus"}, {}),
        (None, {}, {"--prometheus-url": f"http://ada:{SECRET}@prometheus"}),
        (None, {}, {"--server": f"ada:{SECRET}@10.0.0.1"}),
    ],
)
def test_no_line_ever_holds_a_secret(text, environ, flags):
    """Under a name that speaks of one, under a name that nobody knows, in a URL, or where a path should be."""
    line = refusal(text, environ=environ, flags=flags)

    assert SECRET not in line
    assert JWT[:20] not in line


def test_the_path_of_a_tokens_file_is_shown():
    """A path that does not exist is hard to mend unseen; what looks like one is no token."""
    line = refusal("prometheus: {bearer_token_file: /run/secrets/token}")

    assert line == 'prometheus.bearer_token_file in binnacle.yaml is "/run/secrets/token": there is no such file'


def test_a_long_value_is_cut_and_a_line_break_in_it_written_out():
    """One line stays one line that can be read."""
    line = refusal(json.dumps({"server": {"port": "a\nb\x1b[2K\u2028" + "x" * 500}}), name="binnacle.json")

    assert line.startswith(r'server.port in binnacle.json is "a\nb\u001b[2K\u2028xxx')
    assert len(line) < 200


# The reference


def documentation():
    return (ROOT / "docs/configuration.md").read_text()


@pytest.mark.parametrize("key", keys(), ids=".".join)
def test_every_key_stands_in_the_reference_with_its_variable_and_default(key):
    """docs/configuration.md has a row for each, saying what the code says."""
    field = keys()[key]
    row = f"| `{key[1]}` | `{variable(*key)}` | {shown_default(field)} | {field.description} |"

    section = documentation().split(f"\n### `{key[0]}`\n")[1].split("\n#")[0]

    assert row in section


def shown_default(field):
    default = field.get_default(call_default_factory=True)
    return "none" if default is None or default == {} else f"`{json.dumps(default).strip(chr(34))}`"


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_stands_in_the_reference_with_its_key(flag):
    """docs/configuration.md says which key each flag sets."""
    assert f"| `{flag}` | `{'.'.join(FLAGS[flag])}` |" in documentation()


@pytest.mark.parametrize("old", OLD_KEYS)
def test_every_old_key_stands_in_the_reference_with_its_new_one(old):
    """docs/configuration.md says what became of each."""
    assert f"| `{old}` | `{'.'.join(OLD_KEYS[old])}` |" in documentation()


def test_the_reference_names_no_key_that_does_not_exist():
    """A row for a key that left would be advice that stops the start."""
    rows = re.findall(r"^\| `(\w+)` \| `(BINNACLE_\w+)` \|", documentation(), re.MULTILINE)

    assert {name for _, name in rows} == {variable(*key) for key in keys()}


def test_the_references_example_is_a_config_that_is_accepted():
    """What somebody copies from there works."""
    (example,) = re.findall(r"```yaml\n(.*?)```", documentation(), re.DOTALL)

    assert load(example).server.port != 8080


def test_reading_the_config_imports_no_server():
    """A mistake is told at once, not after a second of imports."""
    code = "import sys, gateway.config; print([m for m in ('uvicorn', 'aiohttp', 'strawberry') if m in sys.modules])"

    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
