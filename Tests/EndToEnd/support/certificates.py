# SPDX-License-Identifier: Apache-2.0
"""Certificates made while the tests run, which nobody outside of them trusts."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
DAYS = "2"
# Instead of the system's, whose extensions every certificate would get.
SETTINGS = "[req]\ndistinguished_name = name\n[name]\n"


@dataclass(frozen=True)
class Certificate:
    """PEM files of a certificate and its key."""

    path: Path
    key: Path


def authority(folder: Path, name: str) -> Certificate:
    return made(folder, name, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")


def issued(by: Certificate, name: str, *extensions: str) -> Certificate:
    return made(by.path.parent, name, *extensions, issuer=by)


def made(folder: Path, name: str, *extensions: str, issuer: Certificate | None = None) -> Certificate:
    settings = folder / "openssl.cnf"
    settings.write_text(SETTINGS)
    certificate = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    command = ["openssl", "req", "-config", str(settings), "-x509", *KEY, "-days", DAYS, "-subj", f"/CN={name}",
               "-keyout", str(certificate.key), "-out", str(certificate.path)]
    for extension in extensions:
        command += ["-addext", extension]
    if issuer:
        command += ["-CA", str(issuer.path), "-CAkey", str(issuer.key)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return certificate
