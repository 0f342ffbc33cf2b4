"""The source database on a real server: MariaDB."""

import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import trustme
import yaml
from sqlalchemy import Engine

from pinterest_platform import settings
from pinterest_platform.emulator.database import open_source
from pinterest_platform.emulator.random_posts import Post, posts
from pinterest_platform.errors import PlatformError
from pinterest_platform_tests.emulator.recording_gateway import RecordingGateway
from pinterest_platform_tests.mariadb import (
    DATABASE,
    NO_MARIADB,
    PASSWORD,
    USER,
    MariaDb,
    has_mariadb,
    mariadb,
)
from pinterest_platform_tests.process import Pinterest

pytestmark = pytest.mark.skipif(not has_mariadb(), reason=NO_MARIADB)

ROWS = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    """A server with ``ROWS`` posts, which tests do not change."""
    folder = tmp_path_factory.mktemp("mariadb")
    with mariadb(folder) as server:
        created = Pinterest(folder, **server.environment)("seed-db", "--rows", str(ROWS))
        assert created.returncode == 0, created.stderr
        yield server


def engine_of(server: MariaDb, **changed: object) -> Engine:
    values = server.credentials | changed
    environ = {f"PINTEREST_DB_{key}": str(value) for key, value in values.items()}
    return open_source(settings.Settings(), environ=environ)


def first(number: int, engine: Engine) -> list[Post]:
    return list(islice(posts(engine, 100), number))


def test_the_posts_are_the_same_as_in_sqlite(server: MariaDb, engine: Engine) -> None:
    on_mysql = first(100, engine_of(server))
    assert on_mysql == first(100, engine)
    assert any(ord(letter) > 0xFFFF for post in on_mysql for letter in str(post.records))


def test_a_post_reads_few_rows_of_a_table_of_any_size(server: MariaDb) -> None:
    def read() -> int:
        found = server.query("SHOW GLOBAL STATUS LIKE 'Handler_read%'")
        return sum(int(value) for _, value in found)

    picked = posts(engine_of(server), 100)
    next(picked)
    before = read()
    list(islice(picked, 50))
    assert read() - before < 50 * 10 < ROWS * 50


def test_a_credentials_file_is_enough(
    server: MariaDb, tmp_path: Path, gateway: RecordingGateway
) -> None:
    file = tmp_path / "db.yaml"
    file.write_text(yaml.safe_dump(server.credentials))
    done = Pinterest(tmp_path, PINTEREST_GATEWAY_URL=gateway.url)(
        "emulate", "batch", "--posts", "5", "--rate", "0", "--db-creds", str(file)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("5 posts: pin 5 sent, 0 failed;")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"PASSWORD": "marlin"}, "Access denied"),
        ({"USER": "nobody"}, "Access denied"),
        ({"DATABASE": "elsewhere"}, "Access denied"),
    ],
)
def test_a_refusal_of_the_server_is_one_line_without_the_password(
    server: MariaDb, changed: dict[str, str], message: str
) -> None:
    with pytest.raises(PlatformError, match=message) as refused:
        posts(engine_of(server, **changed), 100)
    assert not {"marlin", PASSWORD} & set(str(refused.value).split("'"))
    assert "marlin" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_tables_are_named(server: MariaDb, tmp_path: Path) -> None:
    server.query("CREATE DATABASE bare")
    server.query(f"GRANT ALL ON bare.* TO '{USER}'@'127.0.0.1'")
    with pytest.raises(PlatformError, match="pinterest_data and geolocation_data and user_data"):
        posts(engine_of(server, DATABASE="bare"), 100)


def test_a_restart_of_the_server_loses_no_post(tmp_path: Path, gateway: RecordingGateway) -> None:
    log = tmp_path / "log"
    (tmp_path / "mariadb").mkdir()
    with mariadb(tmp_path / "mariadb") as server:
        pinterest = Pinterest(tmp_path, PINTEREST_GATEWAY_URL=gateway.url, **server.environment)
        assert pinterest("seed-db", "--rows", str(ROWS)).returncode == 0
        expected = [post.index for post in first(90, engine_of(server))]
        process = pinterest.start("emulate", "batch", "--posts", "90", "--rate", "30", output=log)
        for requests in (20, 120):
            gateway.wait_for(requests)
            server.kill()
            while log.read_text().count("waiting for it") < 1:
                assert process.poll() is None, log.read_text()
            server.start()
        assert process.wait(60) == 0, log.read_text()
    output = log.read_text()
    assert (
        "90 posts: pin 90 sent, 0 failed; geo 90 sent, 0 failed; user 90 sent, 0 failed" in output
    )
    assert PASSWORD not in output
    assert [value["index"] for value in gateway.values("pinterest.pin")] == expected


def test_ctrl_c_ends_the_wait_for_an_unavailable_server(
    tmp_path: Path, gateway: RecordingGateway
) -> None:
    log = tmp_path / "log"
    (tmp_path / "mariadb").mkdir()
    with mariadb(tmp_path / "mariadb") as server:
        pinterest = Pinterest(tmp_path, PINTEREST_GATEWAY_URL=gateway.url, **server.environment)
        assert pinterest("seed-db", "--rows", "10").returncode == 0
        process = pinterest.start("emulate", "batch", "--rate", "30", output=log)
        gateway.wait_for(3)
        server.kill()
        while "waiting for it" not in log.read_text():
            assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "0 failed" in log.read_text()


def test_tls_is_used_and_a_configured_ca_is_checked(
    tmp_path: Path,
) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = {name: tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem", "stranger.pem")}
    authority.cert_pem.write_to_path(str(files["ca.pem"]))
    issued.cert_chain_pems[0].write_to_path(str(files["cert.pem"]))
    issued.private_key_pem.write_to_path(str(files["key.pem"]))
    trustme.CA().cert_pem.write_to_path(str(files["stranger.pem"]))
    (tmp_path / "mariadb").mkdir()
    with mariadb(
        tmp_path / "mariadb",
        "--require-secure-transport=ON",
        f"--ssl-cert={files['cert.pem']}",
        f"--ssl-key={files['key.pem']}",
    ) as server:
        pinterest = Pinterest(tmp_path, **server.environment)
        assert pinterest("seed-db", "--rows", "10").returncode == 0
        stranger = pinterest("seed-db", "--rows", "10", PINTEREST_DB_CA=str(files["stranger.pem"]))
        assert stranger.returncode == 1
        assert "certificate" in stranger.stderr
        done = pinterest("seed-db", "--rows", "10", PINTEREST_DB_CA=str(files["ca.pem"]))
        assert done.returncode == 0, done.stderr
        assert server.query(f"SELECT count(*) FROM {DATABASE}.user_data") == [(10,)]
        assert PASSWORD not in stranger.stderr + done.stdout
