"""The house around the code: paths of somebody's machine, shell scripts."""
import os
import re

from checks import tree

MACHINE = re.compile(r"/(work|farm|root|home/[a-z]+)/")


def paths(root):
    for name in tree.files(root):
        if name.endswith((".lock", "package-lock.json")) or name.startswith("tests/corpus/"):
            continue
        for number, line in tree.lines(root, name):
            found = MACHINE.search(line)
            if found:
                yield f"{name}:{number}: path of a machine: {found[0]}"


def shell(root):
    scripts = [
        name
        for name in tree.files(root, r"^(scripts|bench|tests|\.ci)/")
        if tree.text(root, name)[:64].startswith(("#!/usr/bin/env bash", "#!/bin/sh", "#!/bin/bash"))
    ]
    for name in scripts:
        if not os.access(os.path.join(root, name), os.X_OK):
            yield f"{name}: not executable"
    if scripts:
        _, out = tree.run(["shellcheck", "--format=gcc", *scripts], root)
        yield from filter(None, out.split("\n"))
