"""What a test is given: processes and replicas that end with it, and the checks that hold for every test."""
import json
import os
import re
import shutil
import tempfile
import time

from harness import http
from harness.process import ROOT, Process, free_port
from harness.replica import Replica

# Stands in every prompt a test sends through World.chat_body; must stand in nothing Penstock writes.
CANARY = "xyzzy-canary-7f3a"


class Gateway(Process):
    """penstock serve, with an admin port."""

    def __init__(self, directory, arguments, name="gateway", admin=None, **environment):
        self.admin = admin or free_port()
        super().__init__(name, ["serve", *arguments, "--admin", f"127.0.0.1:{self.admin}"], directory, **environment)

    def ready(self):
        try:
            return http.ask(self.admin, "GET", "/readyz", timeout=2).status == 200
        except (OSError, http.Ended):
            return False

    def metrics(self):
        """{series with labels: value}"""
        page = http.ask(self.admin, "GET", "/metrics").body.decode()
        rows = (line.rsplit(" ", 1) for line in page.split("\n") if line and not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def metric(self, name, **labels):
        """The sum over the series of that name that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            value
            for series, value in self.metrics().items()
            if series.split("{")[0] == name and all(w in series for w in wanted)
        )

    def descriptors(self):
        return self.metric("penstock_descriptors_in_use")

    def log_lines(self):
        """Access log lines as dicts (logfmt)."""
        pairs = re.compile(r'([\w.]+)=("(?:\\.|[^"\\])*"|\S*)')
        lines = [dict((k, v.strip('"')) for k, v in pairs.findall(line)) for line in self.output().split("\n")]
        return [line for line in lines if "status" in line]


class World:
    """One test's surroundings. Everything started through it is ended by close(), which also finds what no test may leave:
    sanitizer reports, a wrong exit code, a prompt in a log."""

    def __init__(self, name):
        self.directory = tempfile.mkdtemp(prefix=f"penstock-{name}-")
        self.processes, self.replicas = [], []
        self.passed, self.failures = 0, []

    # ---- what a test reports ----

    def check(self, name, condition, detail=""):
        """One case of many in a test; the test goes on."""
        if condition:
            self.passed += 1
        else:
            self.failures.append(f"{name}: {detail}")

    # ---- what a test starts ----

    def mock(self, *arguments, port=None, name=None):
        """A mock replica; `.port` and `.url` say where."""
        port = port or free_port()
        name = name or f"mock-{port}"
        process = Process(name, ["mock", "--listen", f"127.0.0.1:{port}", *arguments], self.directory)
        process.port, process.url = port, f"http://127.0.0.1:{port}"
        self.processes.append(process)
        process.wait_for(lambda: answers(port, "/health"), "mock ready")
        return process

    def mocks(self, count, *arguments):
        return [self.mock(*arguments) for _ in range(count)]

    def replica(self, script=None, **more):
        replica = Replica(script, **more)
        self.replicas.append(replica)
        return replica

    def gateway(self, replicas=(), *arguments, wait=True, name="gateway", workers=2, **environment):
        """penstock serve in front of what has a .url; `.port` says where."""
        port = free_port()
        backends = [part for replica in replicas for part in ("--backend", replica.url)]
        process = Gateway(
            self.directory,
            ["--listen", f"127.0.0.1:{port}", "--workers", workers, *backends, *arguments],
            name,
            **environment,
        )
        process.port = port
        self.processes.append(process)
        if wait:
            process.wait_for(process.ready, "ready")
        return process

    def gateway_of(self, manifest, *arguments, workers=2):
        """The same from a manifest, in which @PORT@ becomes the listener's port."""
        port = free_port()
        path = self.write("config.yaml", manifest.replace("@PORT@", str(port)))
        process = Gateway(self.directory, ["-f", path, "--workers", workers, *arguments])
        process.port, process.config = port, path
        self.processes.append(process)
        process.wait_for(process.ready, "ready")
        return process

    def write(self, name, content):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(content)
        return path

    # ---- what a test sends ----

    @staticmethod
    def chat_body(text="Say hello.", model="tiny", **more):
        return {"model": model, "messages": [{"role": "user", "content": f"{text} {CANARY}"}], **more}

    def chat(self, gateway, text="Say hello.", fields=(), timeout=30.0, path="/v1/chat/completions", **more):
        return http.ask(gateway.port, "POST", path, self.chat_body(text, **more), fields, timeout)

    # ---- the end ----

    def close(self):
        for process in reversed(self.processes):
            was_running = process.running()
            code = process.stop()
            if isinstance(process, Gateway) and was_running and code != 0:
                self.failures.append(f"{process.name} left with {code} after SIGTERM: {process.output()[-800:]}")
            for line in process.reports():
                self.failures.append(f"{process.name}: {line}")
            if CANARY in process.output() and isinstance(process, Gateway):
                self.failures.append(f"{process.name}: a prompt stands in its output")
        for replica in self.replicas:
            replica.close()
        if self.failures:
            kept = os.path.join(ROOT, "build/e2e", os.path.basename(self.directory))
            shutil.copytree(self.directory, kept, dirs_exist_ok=True)
            self.failures.append(f"logs: {os.path.relpath(kept, ROOT)}")
        shutil.rmtree(self.directory, ignore_errors=True)


def answers(port, path):
    try:
        return http.ask(port, "GET", path, timeout=2).status == 200
    except (OSError, http.Ended):
        return False


def eventually(condition, seconds=5.0, step=0.02):
    """True as soon as condition() is; False when it never was."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(step)
    return condition()


def stream_text(answer):
    """The text of a chat stream."""
    parts = []
    for data in answer.events():
        if data != "[DONE]":
            for choice in json.loads(data).get("choices", []):
                parts.append(choice["delta"].get("content") or "")
    return "".join(parts)
