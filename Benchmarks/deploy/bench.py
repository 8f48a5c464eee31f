# SPDX-License-Identifier: Apache-2.0
"""Measures deploys and prints each figure beside what the container engine alone needs, in the same run.

Run by `make bench-deploy`. The platform is one of its own, in a folder that is removed at the end.
"""

import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(CHECKOUT / "Tests" / "EndToEnd"))

from support.load import Load  # noqa: E402
from support.platform import NAMES, App, Platform, launcher, request  # noqa: E402
from support.waiting import eventually  # noqa: E402

REDEPLOYS = 9
CODE_CHANGES = 5
IDLE_SECONDS = 20
LOAD_DEPLOYS = 20
LOAD_PER_SECOND = 200
LOAD_CONNECTIONS = 16
# The manifest's health check interval: the raw engine's app is asked as often.
READINESS_INTERVAL = 0.1
POLL = 0.005
LIMITS = {"redeploy_p50_s": 2.0, "redeploy_over_raw_s": 1.0, "code_change_over_raw_s": 2.0, "idle_rss_mb": 200,
          "idle_cpu_pct": 2.0, "failed_requests": 0}

DOCKERFILE = "FROM python:3.11-slim\nWORKDIR /app\nCOPY . .\n"


class Raw:
    """The same app by `docker` on the command line."""

    def __init__(self, platform: Platform):
        self.host = ["--host", f"unix://{platform.stack.engine_socket}"]
        self.label = platform.label

    def docker(self, *arguments: str) -> str:
        result = subprocess.run(
            ["docker", *self.host, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "DOCKER_BUILDKIT": "0"})
        if result.returncode != 0:
            raise SystemExit(f"docker {arguments[0]} failed: {result.stderr.strip()}")
        return result.stdout.strip()

    def build(self, folder: Path) -> str:
        return self.docker("build", "--quiet", "--label", self.label, str(folder)).splitlines()[-1]

    def run_until_ready(self, image: str, path: str = "/") -> None:
        """`docker run`, the readiness poll, the first byte; then the container goes."""
        container = self.docker(
            "run", "--detach", "--label", self.label, "--read-only", "--cap-drop", "ALL", "--security-opt",
            "no-new-privileges", "--user", "10001:10001", "--memory", "128m", "--cpus", "0.5", "--pids-limit", "200",
            "--env", "PORT=8000", "--publish", "127.0.0.1::8000", image, "python3", "app.py")
        port = self.docker("port", container, "8000").splitlines()[0].rpartition(":")[2]
        url = f"http://127.0.0.1:{port}"
        eventually("the container is ready", lambda: status(f"{url}/healthz") == 200, 30, poll=READINESS_INTERVAL)
        request(url + path)
        self.ended = time.monotonic()
        self.docker("rm", "--force", container)


def status(url: str) -> int:
    try:
        return request(url, timeout=5).status
    except OSError:
        return 0
    except Exception as error:  # An app that is just starting may close the connection.
        return 0 if "Remote end" in str(error) or "Connection" in str(error) else 1


def await_other(app: App, path: str, old: str) -> float:
    """When the app first answers something else than `old`."""
    def has_changed() -> bool:
        answer = app.get(path)
        return answer.status == 200 and answer.text != old

    eventually("the new version answers", has_changed, 120, poll=POLL)
    return time.monotonic()


def measure_redeploys(app: App, raw: Raw) -> tuple[list[float], list[float]]:
    ours, engines = [], []
    image = app.latest()["image"]
    for number in range(REDEPLOYS + 1):
        # The host name is the container's id: another one answers for another container.
        old = app.get("/env/HOSTNAME").text
        started = time.monotonic()
        code, document = app.platform.api("POST", f"{app.environment_path}/deployments", {"kind": "redeploy"})
        assert code == 202, document
        seconds = await_other(app, "/env/HOSTNAME", old) - started
        app.await_deployment(document["id"])
        raw_started = time.monotonic()
        raw.run_until_ready(image)
        raw_seconds = raw.ended - raw_started
        print(f"  redeploy {seconds:6.3f} s   docker run {raw_seconds:6.3f} s"
              f"{'   (warm-up)' if not number else ''}", flush=True)
        if number:
            ours.append(seconds)
            engines.append(raw_seconds)
    return ours, engines


def measure_code_changes(app: App, raw: Raw) -> tuple[list[float], list[float]]:
    ours, engines = [], []
    for number in range(CODE_CHANGES + 1):
        old = app.version()
        app.set_version(f"ours-{number}")
        app.commit(f"Version {number}")
        started = time.monotonic()
        push = threading.Thread(target=app.client.push, args=(app.folder,))
        push.start()
        seconds = await_other(app, "/version", old) - started
        push.join()
        app.await_deployment()
        app.set_version(f"raw-{number}")
        raw_started = time.monotonic()
        raw.run_until_ready(raw.build(app.folder), "/version")
        raw_seconds = raw.ended - raw_started
        print(f"  push to live {seconds:6.3f} s   docker build + run {raw_seconds:6.3f} s"
              f"{'   (warm-up)' if not number else ''}", flush=True)
        if number:
            ours.append(seconds)
            engines.append(raw_seconds)
    return ours, engines


def measure_idle(platform: Platform) -> tuple[float, float, float]:
    """Resident and proportional megabytes, percent of one core."""
    from slipway_local.processes import use

    pids = {name: platform.stack.record(name)["pid"] for name in NAMES}
    before = {name: use(pid) for name, pid in pids.items()}
    started = time.monotonic()
    time.sleep(IDLE_SECONDS)
    after = {name: use(pid) for name, pid in pids.items()}
    elapsed = time.monotonic() - started
    for name in NAMES:
        cpu = (after[name].cpu_seconds - before[name].cpu_seconds) / elapsed * 100
        print(f"  slipway-{name:<11} RSS {after[name].resident / 1e6:6.1f} MB   "
              f"PSS {after[name].proportional / 1e6:6.1f} MB   CPU {cpu:5.2f} %")
    total = sum(after[name].cpu_seconds - before[name].cpu_seconds for name in NAMES)
    resident = sum(taken.resident for taken in after.values()) / 1e6
    proportional = sum(taken.proportional for taken in after.values()) / 1e6
    return resident, proportional, total / elapsed * 100


def show_idle(platform: Platform, heading: str) -> tuple[float, float]:
    print(f"\n{heading}")
    rss, pss, cpu = measure_idle(platform)
    print(f"  together: RSS {rss:.1f} MB, PSS {pss:.1f} MB, CPU {cpu:.2f} % of one core over {IDLE_SECONDS} s")
    return rss, cpu


def measure_load(app: App) -> Load:
    with Load(app.url + "/version", LOAD_PER_SECOND, LOAD_CONNECTIONS) as load:
        for _ in range(LOAD_DEPLOYS):
            ended = app.deploy({"kind": "redeploy"})
            assert ended["state"] == "succeeded", ended
    rate = load.count / load.seconds
    print(f"  {LOAD_DEPLOYS} deploys in {load.seconds:.1f} s, {load.count} requests ({rate:.0f}/s), "
          f"{len(load.failures)} failed")
    for failure in load.failures[:5]:
        print(f"    {failure}")
    return load


def spread(values: list[float]) -> str:
    return f"p50 {statistics.median(values):.3f} s, {min(values):.3f} to {max(values):.3f} s over {len(values)} runs"


def measure(platform: Platform) -> dict[str, float]:
    launcher.packages.ensure(["docker.io"], launcher.StepLog())
    raw = Raw(platform)
    app = platform.new_app("bench")
    app.replace("slipway.yaml", "runtime: python:3.11", "dockerfile: Dockerfile")
    app.write("Dockerfile", DOCKERFILE)
    app.write(".dockerignore", ".git\n")
    app.push_ok("First version")

    rss, cpu = show_idle(platform, "Idle, nothing deploying:")

    print("\nRedeploy of a built image: request to first byte from the new version")
    redeploys, runs = measure_redeploys(app, raw)
    print(f"  Slipway: {spread(redeploys)}\n  engine:  {spread(runs)}")

    print("\nOne-line code change: push to live")
    changes, builds = measure_code_changes(app, raw)
    print(f"  Slipway: {spread(changes)}\n  engine:  {spread(builds)}")

    print(f"\n{LOAD_DEPLOYS} deploys under {LOAD_PER_SECOND} requests/s:")
    load = measure_load(app)

    # What was used since stays mapped: the figure is the larger one.
    rss_later, cpu_later = show_idle(platform, "Idle again, after all of this:")
    rss, cpu = max(rss, rss_later), max(cpu, cpu_later)

    return {
        "redeploy_p50_s": round(statistics.median(redeploys), 3),
        "redeploy_over_raw_s": round(statistics.median(redeploys) - statistics.median(runs), 3),
        "code_change_over_raw_s": round(statistics.median(changes) - statistics.median(builds), 3),
        "idle_rss_mb": round(rss, 1),
        "idle_cpu_pct": round(cpu, 2),
        "failed_requests": len(load.failures),
    }


def main() -> int:
    platform = Platform()
    try:
        platform.up()
        figures = measure(platform)
    finally:
        platform.down()
    over = [f"{name} is {figures[name]}, the limit is {limit}"
            for name, limit in LIMITS.items() if figures[name] > limit]
    print("\n" + ("\n".join(over) or "every figure is within its limit"))
    print("bench-deploy: " + " ".join(f"{name}={value}" for name, value in figures.items()), flush=True)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
