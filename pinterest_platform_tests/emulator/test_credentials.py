"""The credentials file: read by name, overridden by the environment, never shown."""

from pathlib import Path

import pytest

from pinterest_platform.emulator.credentials import load_credentials
from pinterest_platform.errors import PlatformError

SECRET = "hunter2-geheim"
GOOD = f"HOST: db.example\nUSER: reader\nPASSWORD: {SECRET}\nDATABASE: pins\nPORT: 3306\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "creds.yaml"
    file.write_text(GOOD)
    return file


def test_the_keys_become_a_mysql_url(file: Path) -> None:
    url = load_credentials(file, {})
    assert url.render_as_string(hide_password=False) == (
        f"mysql+pymysql://reader:{SECRET}@db.example:3306/pins?charset=utf8mb4"
    )


def test_special_characters_of_a_password_are_kept(file: Path) -> None:
    file.write_text(GOOD.replace(SECRET, '"p@ss:w/rd%#?"'))
    assert load_credentials(file, {}).password == "p@ss:w/rd%#?"


@pytest.mark.parametrize(
    ("key", "value", "attribute"),
    [
        ("HOST", "other.example", "host"),
        ("USER", "writer", "username"),
        ("PASSWORD", "new", "password"),
        ("DATABASE", "other", "database"),
        ("PORT", "3307", "port"),
    ],
)
def test_the_environment_overrides_each_key(
    file: Path, key: str, value: str, attribute: str
) -> None:
    url = load_credentials(file, {f"PINTEREST_DB_{key}": value})
    assert str(getattr(url, attribute)) == value
    assert url.set(**{attribute: getattr(load_credentials(file, {}), attribute)}) == (
        load_credentials(file, {})
    )


def test_shell_variables_without_the_prefix_are_ignored(file: Path) -> None:
    bare = {"USER": "root", "HOST": "here", "PASSWORD": "x", "DATABASE": "x", "PORT": "1"}
    assert load_credentials(file, bare) == load_credentials(file, {})


def test_the_environment_alone_is_enough() -> None:
    environ = {
        "PINTEREST_DB_HOST": "h",
        "PINTEREST_DB_USER": "u",
        "PINTEREST_DB_PASSWORD": "",
        "PINTEREST_DB_DATABASE": "d",
        "PINTEREST_DB_PORT": "3306",
    }
    assert load_credentials(None, environ).host == "h"


@pytest.mark.parametrize("key", ["HOST", "USER", "PASSWORD", "DATABASE", "PORT"])
@pytest.mark.parametrize("form", ["", "{key}:\n"])
def test_a_missing_key_is_named(file: Path, key: str, form: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(key)]
    file.write_text("\n".join(lines) + "\n" + form.format(key=key))
    with pytest.raises(PlatformError, match=rf"{key}.*PINTEREST_DB_{key}") as caught:
        load_credentials(file, {})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"{GOOD}SOCKET: {SECRET}\n", "unknown key SOCKET"),
        (f"{{PASSWORD:{SECRET}, PORT: 3306}}", "a line that is not a key"),
        (SECRET, "not a mapping"),
        (f"- {SECRET}", "not a mapping"),
        ("", "not a mapping"),
        (f"HOST: h\nPASSWORD: '{SECRET}", r"not YAML \(line 2\)"),
        (f"PASSWORD: @{SECRET}", r"not YAML \(line 1\)"),
        (f"PASSWORD: {SECRET}\nDATABASE: 2020-99-99", "not YAML"),
        (f"PASSWORD: !!python/object:{SECRET} x", "not YAML"),
        (GOOD.replace(SECRET, "0123"), "PASSWORD .* is not text: put it in quotes"),
        (GOOD.replace("db.example", "''"), "HOST .* is empty"),
        (GOOD.replace("3306", SECRET), "PORT .* whole number"),
        (GOOD.replace("3306", "70000"), "PORT .* whole number"),
        (GOOD.replace("3306", "33.5"), "PORT .* whole number"),
        (GOOD.replace("3306", "true"), "PORT .* whole number"),
        (GOOD.replace("3306", "0"), "PORT .* whole number"),
    ],
)
def test_an_invalid_file_is_one_line_without_a_value(file: Path, content: str, reason: str) -> None:
    file.write_text(content)
    with pytest.raises(PlatformError, match=reason) as caught:
        load_credentials(file, {})
    message = str(caught.value)
    assert str(file) in message
    for hidden in (SECRET, "0123", "70000", "33.5"):
        assert hidden not in message
    assert "\n" not in message
    # Nor in the chained exceptions that Python prints.
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_invalid_value_of_the_environment_is_named_by_its_variable(file: Path) -> None:
    with pytest.raises(PlatformError, match=r"^PINTEREST_DB_PORT is not a port") as caught:
        load_credentials(file, {"PINTEREST_DB_PORT": SECRET})
    assert SECRET not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"nowhere\.yaml .*No such file"):
        load_credentials(tmp_path / "nowhere.yaml", {})
