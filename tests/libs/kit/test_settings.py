"""Settings: from variables or files, frozen, checked."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.kit.settings import KitSettings

BASE = {
    "HEDGEROW_SECRET_KEY": "s" * 32,
    "HEDGEROW_POSTGRES_DSN": "postgresql://h/d",
    "HEDGEROW_STATE_REDIS_URL": "redis://h",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BASE.items():
        monkeypatch.setenv(name, value)


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEDGEROW_LOG_PARTITIONS", "7")
    assert KitSettings().log_partitions == 7


def test_a_file_may_hold_the_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("postgresql://from-file/d\n")
    monkeypatch.delenv("HEDGEROW_POSTGRES_DSN")
    monkeypatch.setenv("HEDGEROW_POSTGRES_DSN_FILE", str(tmp_path / "dsn"))
    assert KitSettings().postgres_dsn.get_secret_value() == "postgresql://from-file/d"


def test_secrets_do_not_print() -> None:
    assert "ssssssss" not in repr(KitSettings())


def test_a_short_secret_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEDGEROW_SECRET_KEY", "changeme")
    with pytest.raises(ValidationError, match="at least 32"):
        KitSettings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        KitSettings().log_partitions = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("redis://h/0", "redis://h/0"),
        ("rediss://h/0", "rediss://h/0?ssl_check_hostname=true"),
        ("rediss://h/0?ssl_ca_certs=/ca", "rediss://h/0?ssl_ca_certs=/ca&ssl_check_hostname=true"),
        ("rediss://h/0?ssl_check_hostname=false", "rediss://h/0?ssl_check_hostname=false"),
    ],
)
def test_a_certificate_must_be_of_the_host(monkeypatch: pytest.MonkeyPatch, given: str, kept: str) -> None:
    for name in ("LOG", "STATE"):
        monkeypatch.setenv(f"HEDGEROW_{name}_REDIS_URL", given)
    settings = KitSettings()
    assert settings.log_redis_url
    assert {settings.log_redis_url.get_secret_value(), settings.state_redis_url.get_secret_value()} == {kept}
