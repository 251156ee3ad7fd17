"""The order of the checks behind `waymark doctor`. No check can stop the others: trouble in one is its answer."""

from collections.abc import Callable, Iterator

from waymark.checks import Check, backlog, backup, destinations, fail, files, machine, network, stores
from waymark.checks.network import Answer, Asked
from waymark.config import Config, ConfigError, load_config
from waymark.lock import is_locked
from waymark.output import CommandError


def diagnose(config_file: str | None, asked: Asked) -> Iterator[Check]:
    """One by one, so that a person sees them arrive."""
    try:
        config = load_config(config_file)
    except ConfigError as error:
        yield fail("configuration", str(error), "Until this is put right, only the machine can be checked.")
        yield from _machine(None)
        return
    yield from _files(config)
    yield from _network(config, asked)
    yield from _guarded("backup", lambda: backup.check_backup(config))
    yield from _guarded("control database", lambda: stores.check_control_database(config))
    yield from _guarded("destinations", lambda: destinations.check_destinations(config))
    yield from _guarded("place databases", lambda: stores.check_places(config))
    yield from _machine(config)


def _files(config: Config) -> Iterator[Check]:
    data = config.data_dir
    yield from _guarded("configuration", lambda: files.check_config(config))
    yield from _guarded("data folder", lambda: files.check_data_folder(config))
    yield from _guarded("secrets", lambda: files.check_secrets(data))
    yield from _guarded("disk", lambda: files.check_room(data))
    yield from _guarded("journal", lambda: files.check_journal(data / "journal"))
    yield from _guarded("TLS", lambda: files.check_tls(config))


def _network(config: Config, asked: Asked) -> Iterator[Check]:
    public, private = network.find_public(config), network.find_private(config)
    yield from _guarded("public port", lambda: network.check_port(config, public))
    yield from _guarded("private port", lambda: network.check_port(config, private))
    locked = is_locked(config.data_dir)
    yield from _guarded("service", lambda: network.check_sides(public, private, locked=locked))
    running = private.answer is Answer.OURS
    yield from _guarded("scan store", lambda: stores.check_scan_store(config, running=running))
    yield from _guarded("backlog", lambda: backlog.check_backlog(config, running=running))
    yield from _guarded("proxy", lambda: network.check_proxy(config))
    yield from _guarded("client address", lambda: network.check_client_address(config, asked))


def _machine(config: Config | None) -> Iterator[Check]:
    yield from _guarded("clock", lambda: machine.check_clock(config.data_dir if config else None))
    yield from _guarded("time zones", machine.check_time_zones)
    yield from _guarded("open files", machine.check_open_files)
    yield from _guarded("Python", machine.check_python)
    yield from _guarded("SQLite", machine.check_sqlite)
    yield from _guarded("user agents", machine.check_user_agents)
    yield from _guarded("web assets", machine.check_web_assets)


def _guarded(topic: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from check()
    except CommandError as error:
        yield fail(topic, f"could not be checked: {error}")
    except Exception as error:
        yield fail(topic, f"could not be checked: {type(error).__name__}: {error}")
