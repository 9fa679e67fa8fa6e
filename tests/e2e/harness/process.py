"""One child process: started, waited for, watched for sanitizer reports, ended."""
import os
import random
import re
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PENSTOCK = os.environ.get("PENSTOCK", os.path.join(ROOT, "build/asan/penstock"))
# What a sanitizer writes when it found something.
REPORT = re.compile(r"ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|WARNING: ThreadSanitizer|Assertion `")
SANITIZERS = {
    "ASAN_OPTIONS": "exitcode=99:abort_on_error=0:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-16",
}


def free_port():
    """A port below the ephemeral range, so that no outgoing connection takes it meanwhile."""
    for _ in range(1000):
        port = random.randrange(15000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


class Process:
    """A running penstock. `log` is the file with everything it wrote."""

    def __init__(self, name, arguments, directory, **environment):
        self.name = name
        self.log = os.path.join(directory, f"{name}.log")
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [PENSTOCK, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **SANITIZERS, **environment},
            )
        self.pid = self.child.pid

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def running(self):
        return self.child.poll() is None

    def wait_for(self, condition, what, seconds=15):
        """Polls until condition() is true; a process that died is reported with its last words."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            if not self.running():
                raise AssertionError(f"{self.name} left with {self.child.returncode}: {self.output()[-1500:]}")
            time.sleep(0.02)
        raise AssertionError(f"{self.name}: {what} not within {seconds} s: {self.output()[-1500:]}")

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """kill -9, as a crash would be."""
        if self.running():
            self.child.kill()
        self.child.wait()

    def stop(self, seconds=10):
        """SIGTERM, and the exit code (-9 when it had to be killed)."""
        if self.running():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        return self.child.returncode

    def reports(self):
        """Lines of sanitizer reports in its output."""
        return [line for line in self.output().split("\n") if REPORT.search(line)]

    def resident_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
