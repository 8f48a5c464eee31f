# SPDX-License-Identifier: Apache-2.0
"""Base images: from the public registry where one is reachable, otherwise made from Debian packages under the same
names, so that the same Dockerfiles work in both places."""

import configparser
import hashlib
import json
import os
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from . import packages
from .engine_api import Engine, EngineError
from .state import CHECKOUT
from .steps import Failure, StepLog

REGISTRY = ("registry-1.docker.io", 443)
REACH_MAX_SECONDS = 3
PULL_MAX_SECONDS = 180
LABEL = "slipway.base"
SUITE = "bookworm"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
CACHE = CHECKOUT / ".build" / "base-images"


@dataclass
class Recipe:
    """How a base image is made from Debian packages."""

    packages: list[str]
    command: str
    hooks: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


RECIPES = {
    "python:3.11-slim": Recipe(
        packages=["python3", "python3-pip", "python3-venv"],
        command="python3",
        hooks=[
            # Debian asks pip to keep off a system that apt manages; in an image pip is what manages Python packages.
            'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
            'ln -sf python3 "$1/usr/bin/python"',
            'test -e "$1/usr/bin/pip" || ln -s pip3 "$1/usr/bin/pip"',
        ],
        environment={"PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}),
    "node:18-slim": Recipe(packages=["nodejs", "npm"], command="node"),
}
DEFAULT = ["python:3.11-slim"]


def ensure(engine: Engine, names: list[str], log: StepLog) -> None:
    for name in names:
        if engine.image(name) is not None:
            with log.step(f"base image {name}") as step:
                step.note = "present, ok"
            continue
        source = os.environ.get("SLIPWAY_BASE_IMAGES", "")
        if source not in ("", "registry", "debian"):
            raise Failure(f"SLIPWAY_BASE_IMAGES is {source!r}", "set it to registry or debian, or unset it")
        if source == "registry" or (not source and registry_is_reachable()):
            if pull(engine, name, log, is_last_hope=source == "registry"):
                continue
        build(engine, name, log)


def registry_is_reachable() -> bool:
    try:
        socket.create_connection(REGISTRY, timeout=REACH_MAX_SECONDS).close()
    except OSError:
        return False
    return True


def pull(engine: Engine, name: str, log: StepLog, is_last_hope: bool) -> bool:
    repository, _, tag = name.partition(":")
    with log.step(f"base image {name}: pulling it from the registry") as step:
        try:
            engine.pull(repository, tag, PULL_MAX_SECONDS)
        except (EngineError, OSError) as error:
            if is_last_hope:
                raise Failure(f"{name} could not be pulled: {error}",
                              "check the network, or set SLIPWAY_BASE_IMAGES=debian") from error
            step.note = f"not to be had ({error})"
            return False
    return True


def build(engine: Engine, name: str, log: StepLog) -> None:
    if name not in RECIPES:
        raise Failure(f"there is no recipe for the base image {name}",
                      f"pull it yourself, or choose one of {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    packages.ensure(["mmdebstrap", "ca-certificates"], log)
    pip = pip_settings()
    tar = CACHE / f"{name.replace(':', '-')}-{digest(recipe, pip)}.tar"
    if not tar.exists():
        with log.step(f"base image {name}: no registry is reachable, making it from Debian packages (about a minute)"):
            bootstrap(recipe, pip, tar)
    with log.step(f"base image {name}: importing it"):
        repository, _, tag = name.partition(":")
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        changes = [f"ENV {key}={value}" for key, value in (environment | recipe.environment).items()]
        changes += [f'CMD ["{recipe.command}"]', f"LABEL {LABEL}=debian"]
        engine.import_image(str(tar), repository, tag, changes)


def digest(recipe: Recipe, pip: str) -> str:
    authorities = AUTHORITIES.read_bytes() if AUTHORITIES.exists() else b""
    text = json.dumps([recipe.packages, recipe.hooks, pip, SUITE, mirror()]).encode()
    return hashlib.sha256(text + authorities).hexdigest()[:12]


def mirror() -> list[str]:
    chosen = os.environ.get("SLIPWAY_DEBIAN_MIRROR")
    return [chosen] if chosen else []


def bootstrap(recipe: Recipe, pip: str, tar: Path) -> None:
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tar.parent, prefix="making-") as work:
        hooks = list(recipe.hooks)
        if AUTHORITIES.exists():
            # A machine behind an authority of its own: what it trusts, builds trust.
            hooks.append(f"upload {AUTHORITIES} {AUTHORITIES}")
        if pip:
            Path(work, "pip.conf").write_text(pip)
            hooks.append(f"upload {work}/pip.conf /etc/pip.conf")
        included = ",".join(["ca-certificates", *recipe.packages])
        command = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={included}"]
        command += [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("man", "doc", "locale")]
        command += [f"--customize-hook={hook}" for hook in hooks]
        result = subprocess.run(
            [*command, SUITE, f"{work}/image.tar", *mirror()], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False)
        if result.returncode != 0:
            tail = "\n    ".join(result.stderr.strip().splitlines()[-8:])
            raise Failure(
                f"mmdebstrap could not make the base image:\n    {tail}",
                "check the network; another Debian mirror is named with SLIPWAY_DEBIAN_MIRROR")
        os.replace(f"{work}/image.tar", tar)
        for older in tar.parent.glob(f"{tar.name.rpartition('-')[0]}-*.tar"):
            if older != tar:
                older.unlink()


def pip_settings() -> str:
    """The machine's own package index and authorities, if it has any, as the image's pip.conf."""
    found: dict[str, str] = {}
    user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pip" / "pip.conf"
    for path in (Path("/etc/pip.conf"), user):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(path)
        except configparser.Error:
            continue
        if parser.has_section("global"):
            found |= dict(parser["global"])
    result = {}
    for key in ("index-url", "extra-index-url", "trusted-host", "cert"):
        value = os.environ.get("PIP_" + key.upper().replace("-", "_")) or found.get(key)
        # An address with a password stays out: every app could read it.
        if value and not any(urlsplit(url).password for url in value.split()):
            result[key] = str(AUTHORITIES) if key == "cert" else value
    return "".join(["[global]\n", *(f"{key} = {value}\n" for key, value in result.items())]) if result else ""


def remove(engine: Engine) -> None:
    """Those made here; pulled ones belong to the engine's owner."""
    for image in engine.images(label=LABEL):
        for tag in image.get("RepoTags") or []:
            if tag in RECIPES:
                engine.remove_image(tag, force=False)
