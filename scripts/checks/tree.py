"""Which files there are, and how commands are run: shared by all checks."""
import os
import re
import subprocess

DOCS = r"\.md$"
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def files(root, *patterns):
    """Files of the project (known to git, or new and not ignored) whose path matches one of the patterns."""
    if os.path.isdir(os.path.join(root, ".git")):
        listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], root)[1].split("\n")
        names = [n for n in listed if n]
    else:  # a source archive, or what the self-test planted
        names = [
            os.path.relpath(os.path.join(d, f), root)
            for d, _, fs in os.walk(root)
            for f in fs
            if not os.path.relpath(d, root).startswith("build")
        ]
    wanted = re.compile("|".join(patterns) if patterns else ".")
    return sorted(n for n in names if wanted.search(n) and os.path.isfile(os.path.join(root, n)))


def text(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def lines(root, name):
    """(number, line) of a file."""
    return enumerate(text(root, name).split("\n"), 1)


def run(command, root, **more):
    """(exit code, everything printed)"""
    done = subprocess.run(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **more
    )
    return done.returncode, done.stdout


def without_strings(code):
    """C without string and character literals and comments; line breaks stay."""
    token = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
    return token.sub(lambda m: '""' + "\n" * m.group().count("\n"), code)


def prose(root):
    """(file, line, text) of documentation and of comments."""
    for name in files(root, DOCS):
        for number, line in lines(root, name):
            yield name, number, line
    for name in files(root, r"^(src|tests|bench)/.*\.[ch]$"):
        code = text(root, name)
        for found in COMMENT.finditer(code):
            first = code.count("\n", 0, found.start()) + 1
            for offset, line in enumerate(found[0].split("\n")):
                yield name, first + offset, line
