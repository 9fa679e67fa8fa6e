"""The first five minutes: what scripts/quickstart ends in."""
import os
import re
import subprocess

from harness.process import PENSTOCK, SANITIZERS
from harness.world import eventually


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return f.read().split()


def test_demo_once(t):
    done = subprocess.run([PENSTOCK, "demo", "--once"], capture_output=True, text=True, timeout=60, env=SANITIZERS)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^  (.*?)  +(llama-8b|poet|lawyer) +([A-D?]) ", done.stdout, re.M)
    assert len(rows) == 10, done.stdout
    where = {}
    for about, _, replica in rows:
        where.setdefault(about.split(",")[0].replace(" again", ""), set()).add(replica)
    t.check("a shared prefix stays", len(where["library"]) == 1 and len(where["kitchen"]) == 1, where)
    t.check("adapters go where they are", where["adapter poet"] <= {"A", "B"} and where["adapter lawyer"] <= {"C", "D"}, where)
    t.check("nothing on standard error", done.stderr == "", done.stderr)


def test_a_killed_demo_leaves_nothing_behind(t):
    demo = subprocess.Popen([PENSTOCK, "demo"], stdout=subprocess.PIPE, text=True, env=SANITIZERS)
    for line in demo.stdout:
        if "Ctrl-C" in line:
            break
    started = children(demo.pid)
    t.check("children run", len(started) == 5, started)
    demo.kill()
    demo.wait()
    left = lambda: [pid for pid in started if os.path.exists(f"/proc/{pid}")]
    t.check("and end with it", eventually(lambda: not left(), 3), left())
