"""Settings, listening sockets and the data folder's lock: what is accepted, and what people read when it is not."""

import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from waymark.config import Config, ConfigError, Data, check_config, config_from, find_config_file, load_config
from waymark.lock import DataFolderBusy, data_lock, is_locked
from waymark.sockets import bound_socket


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, ""), {})
    assert config == Config(source=tmp_path / "config.toml")
    assert config.data_dir == tmp_path / "waymark-data"
    assert (config.short_url, config.dashboard_url) == ("http://localhost:8080", "http://localhost:8081")


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    text = """
    [public]
    port = 9000
    base_url = "https://w.example/"
    [proxy]
    trusted = ["10.0.0.0/8", "2001:db8::1"]
    [destinations]
    block_private = true
    """
    config = load_config(written(tmp_path, text), {})
    assert (config.public.port, config.short_url) == (9000, "https://w.example")
    assert config.proxy.trusted == ("10.0.0.0/8", "2001:db8::1")
    assert config.destinations.block_private is True
    assert config.private.port == 8081


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[pubic]\nport = 1", r"config\.toml: unknown section \[pubic\]. Did you mean 'public'\?"),
        ("[zzz]", r"unknown section \[zzz\]. Known here: public, private, data"),
        ("[public]\nprot = 1", r"unknown key 'prot' in \[public\]. Did you mean 'port'\?"),
        ("[geo]\nxyz = 1", r"unknown key 'xyz' in \[geo\]. Known here: refresh_days"),
        ("port = 80", "unknown section"),
        ("source = 'x'", r"unknown section \[source\]"),
        ("public = 80", r"public is a section: write \[public\] and its keys below it"),
        ("[public]\nport = '80'", r"\[public\] port is a whole number, not '80'"),
        ("[public]\nport = 80.5", r"\[public\] port is a whole number, not 80\.5"),
        ("[public]\nport = true", r"\[public\] port is a whole number, not True"),
        ("[public]\nhost = 1", r'\[public\] host is a text in quotes, such as "x", not 1'),
        ("[destinations]\nblock_private = 1", r"block_private is true or false, not 1"),
        ("[proxy]\ntrusted = '10.0.0.0/8'", r"trusted is a list of texts"),
        ("[proxy]\ntrusted = [1]", r"trusted is a list of texts"),
        ("[public]\nport = 65536", r"\[public\] port is 65536; it must be between 0 and 65535"),
        ("[public]\nport = -1", "must be between 0 and 65535"),
        ("[public]\nworkers = 0", r"\[public\] workers is 0; it must be between 1 and 64"),
        ("[journal]\nflush_ms = 51", "flush_ms is 51; it must be between 1 and 50"),
        ("[scans]\nmemory_mb = 1", "memory_mb is 1; it must be between 128"),
        ("[journal]\ndurability = 'none'", r'durability is "process" or "power", not \'none\''),
        ("[proxy]\ntrusted = ['10.0.0.0/33']", r"'10\.0\.0\.0/33' is no network. Write CIDRs such as 10\.0\.0\.0/8"),
        ("[public]\nbase_url = 'w.example'", r"\[public\] base_url 'w\.example' is no address.*https://w\.example"),
        ("[public]\nbase_url = 'ftp://w.example'", "is no address"),
        ("[public]\nbase_url = 'https://'", "is no address"),
        ("[public]\nbase_url = 'https://w.example/codes'", "is no address"),
        ("[public]\nbase_url = 'https://w.example?x'", "is no address"),
        ("[public]\nbase_url = 'https://w.example:99999'", "is no address"),
        ("[public]\nbase_url = 'https://w.example:abc'", "is no address"),
        ("[public]\nbase_url = 'https://me@w.example'", "is no address"),
        ("[public]\nbase_url = 'https://w example'", "is no address"),
        ("[private]\nbase_url = 'http://[::1'", r"\[private\] base_url .* is no address"),
        ("[private]\nallowed_hosts = ['x.lan:8081']", "'x.lan:8081' is no host name. Write the name alone"),
        ("[private]\nallowed_hosts = ['https://x.lan']", "is no host name"),
        ("[private]\nallowed_hosts = ['']", "is no host name"),
        ("[database]\nurl = 'postgres://ops@db/x'", r"begins with postgres://. Write postgresql\+asyncpg://"),
        ("[database]\nurl = 'sqlite:///x.db'", "or leave it empty for SQLite"),
        ("[database]\nurl = 'db/x'", r"\[database\] url is no address"),
        ("[public]\ntls_cert = 'a.pem'", "tls_cert and tls_key belong together"),
        ("[public]\ntls_cert = '/no/a.pem'\ntls_key = '/no/b.pem'", "file /no/a.pem does not exist"),
        ("[public\nport = 1", "is not valid TOML: .*line 1"),
        ("[public]\nport = 1\nport = 2", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_what_to_write(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, text), {})


@pytest.mark.parametrize(
    "text",
    [
        "[public]\nbase_url = 'https://größe.example:8443'",
        "[private]\nbase_url = 'http://[::1]:8081/'",
        "[private]\nallowed_hosts = ['waymark.lan', '10.0.0.7', '[fd00::7]']",
        "[public]\nport = 0",
        "[geo]\nrefresh_days = 0",
        "[proxy]\ntrusted = ['10.1.2.3/8', '::1']",
    ],
)
def test_what_is_unusual_but_right_is_accepted(tmp_path: Path, text: str) -> None:
    load_config(written(tmp_path, text), {})


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe[\x00p")
    with pytest.raises(ConfigError, match=r"cannot be read: .*UTF-8"):
        load_config(str(tmp_path / "config.toml"), {})


def test_the_file_comes_from_the_option_the_environment_or_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, named = tmp_path / "here", tmp_path / "there.toml", tmp_path / "named.toml"
    here.mkdir()
    there.write_text("")
    named.write_text("")
    monkeypatch.chdir(here)
    assert find_config_file(None, {}) is None
    assert load_config(None, {}).data_dir == here / "waymark-data"
    (here / "config.toml").write_text("")
    assert find_config_file(None, {}) == here / "config.toml"
    assert find_config_file(None, {"WAYMARK_CONFIG": str(there)}) == there
    assert find_config_file(str(named), {"WAYMARK_CONFIG": str(there)}) == named


@pytest.mark.parametrize("way", ["option", "environment"])
def test_a_named_file_has_to_exist(tmp_path: Path, way: str) -> None:
    missing = str(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match=r"missing\.toml does not exist"):
        load_config(missing if way == "option" else None, {"WAYMARK_CONFIG": missing})


def test_the_database_address_may_come_from_the_environment(tmp_path: Path) -> None:
    """It usually holds a password, which a settings file should not."""
    file = written(tmp_path, "[database]\nurl = 'postgresql+asyncpg://file/x'")
    assert load_config(file, {}).database.url == "postgresql+asyncpg://file/x"
    url = "postgresql+asyncpg://ops:secret@db/x"
    assert load_config(file, {"WAYMARK_DATABASE_URL": url}).database.url == url
    with pytest.raises(ConfigError) as refused:
        load_config(file, {"WAYMARK_DATABASE_URL": "mysql://ops:secret@db/x"})
    assert "secret" not in str(refused.value)


def test_a_missing_database_driver_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)  # as if it were not installed
    with pytest.raises(ConfigError, match="pip install asyncpg"):
        load_config(written(tmp_path, "[database]\nurl = 'postgresql+asyncpg://db/x'"), {})
    load_config(written(tmp_path, ""), {})


@pytest.mark.parametrize(
    ("value", "expected"), [("waymark-data", "waymark-data"), ("a/../b", "b"), ("/srv/waymark", "/srv/waymark")]
)
def test_the_data_folder_is_relative_to_the_file(tmp_path: Path, value: str, expected: str) -> None:
    config = config_from({"data": {"dir": value}}, tmp_path / "config.toml")
    assert config.data_dir == tmp_path / expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8081"),
        ("0.0.0.0", "http://127.0.0.1:8081"),
        ("::", "http://[::1]:8081"),
        ("::1", "http://[::1]:8081"),
        ("10.0.0.7", "http://10.0.0.7:8081"),
    ],
)
def test_programs_on_this_machine_know_where_to_ask(host: str, expected: str) -> None:
    assert config_from({"private": {"host": host}}).local_api_url == expected


def test_the_short_address_is_https_when_there_is_a_certificate(tmp_path: Path) -> None:
    pem = tmp_path / "a.pem"
    pem.touch()
    config = config_from({"public": {"tls_cert": str(pem), "tls_key": str(pem)}})
    check_config(config)
    assert config.short_url == "https://localhost:8080"


def test_a_bound_socket_listens_and_can_be_inherited() -> None:
    with bound_socket("public", "127.0.0.1", 0) as listener:
        assert listener.get_inheritable()
        with closing(socket.create_connection(listener.getsockname(), timeout=5)):
            pass


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with bound_socket("public", "127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} on 127\.0\.0\.1 is taken.*another \[private\] port"):
            bound_socket("private", "127.0.0.1", port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.77", "x" * 300, "a..b"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(ConfigError, match=r"\[public\] cannot listen on .*Check host and port"):
        bound_socket("public", host, 0)


HOLD = """
import sys, time
from pathlib import Path
from waymark.lock import data_lock
with data_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_holds_the_data_folder(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_locked(tmp_path)
        with pytest.raises(DataFolderBusy, match=rf"in use by process {holder.pid}:.*Stop that one first"):
            data_lock(tmp_path).__enter__()
    finally:
        holder.kill()
        holder.communicate()
    # Nothing is left behind by a killed process.
    assert not is_locked(tmp_path)
    with data_lock(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_a_folder_without_a_lock_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="cannot be opened: No such file"):
        data_lock(tmp_path / "nowhere").__enter__()


def test_settings_are_values() -> None:
    config: Any = Config(data=Data("x"))
    with pytest.raises(AttributeError):
        config.data.dir = "y"
