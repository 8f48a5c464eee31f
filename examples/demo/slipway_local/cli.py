# SPDX-License-Identifier: Apache-2.0
"""The `slipway` command and Git, as the user of a stack runs them."""

import json
import os
import subprocess
import threading
from pathlib import Path

from .processes import Stack, executable
from .steps import Failure

USER = "demo@example.org"
ORGANISATION = "demo"
COMMAND_MAX_SECONDS = 120
PUSH_MAX_SECONDS = 900


class CommandFailed(Exception):
    def __init__(self, command: list[str], result: subprocess.CompletedProcess):
        self.code = result.returncode
        self.output = ((result.stdout or "") + (result.stderr or "")).strip()
        super().__init__(f"`{' '.join(command)}` ended with {self.code}:\n{self.output}")


class Client:
    """One user's command line: a token in a file of their own, a configuration folder of their own."""

    def __init__(self, stack: Stack, organisation: str = ORGANISATION, email: str = USER):
        self.stack = stack
        self.organisation = organisation
        self.email = email
        self.token_name = f"token.{email}"
        self.config = stack.state.path(f"config/{email}")

    def ensure_login(self) -> str:
        if self.stack.state.secret_file(self.token_name).exists() and self.succeeds("whoami"):
            return "ok"
        token = self.create_user()
        self.stack.state.write_secret(self.token_name, token)
        self.config.mkdir(parents=True, exist_ok=True)
        self.slipway("login", "--url", self.stack.panel_url, "--token-file", str(self.token_file()))
        return "created, ok"

    def create_user(self) -> str:
        """The first user of a stack is its operator."""
        command = [
            str(executable("slipway-panel")), "create-user", "--email", self.email, "--organisation", self.organisation,
            "--token-name", "local", *(["--operator"] if self.email == USER else []),
        ]
        return run(command, self.stack.environment("panel")).strip()

    def token_file(self) -> Path:
        return self.stack.state.secret_file(self.token_name)

    def environment(self) -> dict[str, str]:
        home = {"HOME": str(self.stack.state.path("home")), "XDG_CONFIG_HOME": str(self.config)}
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLIPWAY_", "GIT_"))}
        return kept | home | {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1"}

    def slipway(self, *arguments: str, seconds: float = COMMAND_MAX_SECONDS, folder: Path | None = None) -> str:
        return run([str(executable("slipway")), *arguments], self.environment(), folder, seconds)

    def succeeds(self, *arguments: str) -> bool:
        try:
            self.slipway(*arguments)
        except CommandFailed:
            return False
        return True

    def json(self, *arguments: str, seconds: float = COMMAND_MAX_SECONDS):
        return json.loads(self.slipway(*arguments, "--json", seconds=seconds))

    def app(self, name: str) -> dict | None:
        if not self.succeeds("app", "info", "--app", f"{self.organisation}/{name}", "--json"):
            return None
        return self.json("app", "info", "--app", f"{self.organisation}/{name}")

    def ensure_app(self, name: str) -> dict:
        return self.app(name) or self.json("app", "create", name, "--organisation", self.organisation)

    def git(self, folder: Path, *arguments: str, seconds: float = COMMAND_MAX_SECONDS) -> str:
        return run(["git", *arguments], self.environment(), folder, seconds)

    def prepare_repository(self, folder: Path, url: str) -> None:
        """The token stays in its file: it is in no URL and no argument list."""
        if not (folder / ".git").is_dir():
            self.git(folder, "init", "--quiet", "--initial-branch=main")
        helper = f"!f() {{ echo username=slipway; echo \"password=$(cat '{self.token_file()}')\"; }}; f"
        settings = {"user.name": "Demo", "user.email": self.email, "commit.gpgsign": "false"}
        for key, value in settings.items():
            self.git(folder, "config", key, value)
        # An empty helper first: the machine's own helpers are not asked and not told.
        self.git(folder, "config", "--replace-all", "credential.helper", "")
        self.git(folder, "config", "--add", "credential.helper", helper)
        remotes = self.git(folder, "remote").split()
        self.git(folder, "remote", *(("set-url",) if "slipway" in remotes else ("add",)), "slipway", url)

    def commit(self, folder: Path, message: str) -> str:
        self.git(folder, "add", "--all")
        if self.git(folder, "status", "--porcelain"):
            self.git(folder, "commit", "--quiet", "--message", message)
        return self.git(folder, "rev-parse", "HEAD").strip()

    def push(self, folder: Path, show=None, branch: str = "main") -> tuple[int, str]:
        """Exit code and output. `show` gets each line as it comes."""
        process = subprocess.Popen(
            ["git", "push", "slipway", f"HEAD:{branch}"], cwd=folder, env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        limit = threading.Timer(PUSH_MAX_SECONDS, process.kill)
        limit.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            if show:
                show(line.rstrip())
        limit.cancel()
        return process.wait(), "".join(lines)


def run(command: list[str], environment: dict, folder: Path | None = None, seconds: float = COMMAND_MAX_SECONDS) -> str:
    try:
        result = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"`{' '.join(command[:3])}` has not ended after {seconds:.0f} s",
                      "look into the logs folder for what it waits for") from error
    if result.returncode != 0:
        raise CommandFailed(command, result)
    return result.stdout
