# SPDX-License-Identifier: Apache-2.0
"""Key pairs and secrets of a stack, made once and kept in files only their owner can read."""

import base64
import secrets
import subprocess

from .state import State
from .steps import Failure

X25519_BYTES = 32


def ensure(state: State) -> None:
    for name in ("controller", "builder"):
        if not state.secret_file(f"{name}.private").exists():
            private, public = x25519()
            state.write_secret(f"{name}.public", public)
            state.write_secret(f"{name}.private", private)
    if not state.secret_file("panel.token.key").exists():
        state.write_secret("panel.token.key", base64.b64encode(secrets.token_bytes(32)).decode())


def x25519() -> tuple[str, str]:
    """Raw private and public key in base64: the last 32 bytes of their DER encodings (RFC 8410)."""
    private = openssl(["genpkey", "-algorithm", "X25519", "-outform", "DER"])
    public = openssl(["pkey", "-inform", "DER", "-pubout", "-outform", "DER"], private)
    return tuple(base64.b64encode(key[-X25519_BYTES:]).decode() for key in (private, public))


def openssl(arguments: list[str], standard_input: bytes = b"") -> bytes:
    result = subprocess.run(["openssl", *arguments], input=standard_input, capture_output=True, check=False)
    if result.returncode != 0 or len(result.stdout) <= X25519_BYTES:
        raise Failure(f"openssl {arguments[0]} failed: {result.stderr.decode(errors='replace').strip()}",
                      "apt-get install openssl")
    return result.stdout
