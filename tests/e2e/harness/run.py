#!/usr/bin/env python3
"""Runs the end-to-end tests: run.py [TOPIC[/test_name]…]

Topics are the folders tests/e2e/NN-name, from basic to complex (those that end in -long only when named); tests are the functions
test_… of their test_*.py, in the order written; a test may be named by the beginning of its name.
A topic whose predecessor failed still runs: the first failure printed is the most basic one.
"""
import importlib.util
import inspect
import os
import sys
import time
import traceback

sys.dont_write_bytecode = True
E2E = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, E2E)

from harness.process import PENSTOCK  # noqa: E402
from harness.world import World  # noqa: E402


def topics():
    return sorted(d for d in os.listdir(E2E) if d[:2].isdigit() and os.path.isdir(os.path.join(E2E, d)))


def tests(topic):
    """(name, function) in the order written."""
    folder = os.path.join(E2E, topic)
    sys.path.insert(0, folder)
    for file in sorted(f for f in os.listdir(folder) if f.startswith("test_") and f.endswith(".py")):
        spec = importlib.util.spec_from_file_location(f"{topic}.{file[:-3]}", os.path.join(folder, file))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = [f for name, f in vars(module).items() if name.startswith("test_") and inspect.isfunction(f)]
        yield from sorted(((f.__name__, f) for f in found), key=lambda nf: nf[1].__code__.co_firstlineno)
    sys.path.remove(folder)


def run(topic, name, function):
    """(passed, failures) of one test."""
    world = World(name)
    try:
        function(world)
        if not world.passed and not world.failures:
            world.passed = 1
    except Exception:  # whatever a test meets is its failure, and the next one runs
        world.failures.append(traceback.format_exc(limit=-4))
    world.close()
    return world.passed, world.failures


def main(wanted):
    if not os.access(PENSTOCK, os.X_OK):
        print(f"{PENSTOCK} is not there: make MODE=asan\n0 passed, 1 failed")
        return 1
    passed = failed = 0
    for topic in topics():
        chosen = [w.partition("/")[2] for w in wanted if topic.startswith(w.partition("/")[0])]
        if not chosen and (wanted or topic.endswith("-long")):
            continue
        for name, function in tests(topic):
            if wanted and not any(name.startswith(c) for c in chosen):
                continue
            start = time.monotonic()
            good, failures = run(topic, name, function)
            passed, failed = passed + good, failed + sum(not f.startswith("logs: ") for f in failures)
            print(f"{'FAILED' if failures else 'ok':7}{topic}/{name} ({good}, {time.monotonic() - start:.1f} s)", flush=True)
            for failure in failures:
                print("    " + failure.replace("\n", "\n    "), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
