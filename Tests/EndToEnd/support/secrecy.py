# SPDX-License-Identifier: Apache-2.0
"""Where a secret's value must not be."""

import subprocess

from slipway_local.postgres import ADMIN, DATABASES, binaries


def assert_nowhere(platform, value: str) -> None:
    folder = platform.state.path("logs")
    for path in folder.iterdir():
        assert value not in path.read_text(errors="replace"), f"{path.name} holds the secret"
    for name in ("runner", "ingress", "builder"):
        for path in platform.state.path(name).rglob("*"):
            if path.is_file():
                assert value.encode() not in path.read_bytes(), f"{path} holds the secret"
    for database in DATABASES:
        assert value not in dump(platform, database), f"the database {database} holds the secret"
    assert value not in platform.bus.everything(), "the bus holds the secret"


def dump(platform, database: str) -> str:
    cluster = platform.stack.platform
    result = subprocess.run(
        [str(binaries() / "pg_dump"), database], env=cluster.client_environment(ADMIN, database), capture_output=True,
        text=True, errors="replace", check=True)
    assert "CREATE TABLE" in result.stdout
    return result.stdout
