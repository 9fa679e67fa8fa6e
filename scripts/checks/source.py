"""C sources: headers alone, format, functions that are banned, too long or dead."""
import collections
import concurrent.futures
import json
import os
import re

from checks import tree

C_FILES = r"^(src|tests|bench)/.*\.[ch]$"
BANNED = "strcpy strcat sprintf vsprintf strtok gets alloca atoi atol rand srand".split()
FUNCTION_LINES_MAX = 80
FILE_LINES_MAX = 800
# Exported on purpose though nothing in the binary calls it: name and reason, one a line.
DEAD_ALLOWED = "scripts/checks/dead-allowed.txt"


def headers(root):
    """Each header compiles alone, with the flags of the build."""
    compiler = [os.environ.get("CC", "gcc"), *os.environ.get("CHECK_FLAGS", "-Isrc -D_GNU_SOURCE -std=gnu17").split()]

    def alone(name):
        code, out = tree.run([*compiler, "-Werror", "-Wno-unused-function", "-fsyntax-only", "-x", "c", name], root)
        return f"{name}: does not compile alone\n    " + "\n    ".join(out.split("\n")[:4]) if code else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(alone, tree.files(root, r"^src/.*\.h$")))


def format_(root):
    names = tree.files(root, C_FILES)
    if names:
        _, out = tree.run(["clang-format-16", "--dry-run", *names], root)
        places = collections.Counter(re.findall(r"^(\S+?):\d+:\d+: ", out, re.M))
        yield from (f"{name}: not formatted in {count} places" for name, count in sorted(places.items()))


def banned(root):
    call = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for name in tree.files(root, C_FILES):
        for number, line in enumerate(tree.without_strings(tree.text(root, name)).split("\n"), 1):
            found = call.search(line)
            if found:
                yield f"{name}:{number}: {found[1]} is banned"


def unfinished(root):
    words = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b|not (yet )?implemented", re.I)
    for name, number, line in tree.prose(root):
        found = words.search(line)
        if found:
            yield f"{name}:{number}: {found[0]}"


def functions(root):
    """(file, name, first line, lines) of every function."""
    names = tree.files(root, r"^(src|bench)/.*\.c$")
    if not names:
        return
    command = ["ctags", "--output-format=json", "--kinds-C=f", "--fields=+ne", "-f", "-", *names]
    for line in tree.run(command, root)[1].split("\n"):
        if line.startswith("{"):
            tag = json.loads(line)
            yield tag["path"], tag["name"], tag["line"], tag.get("end", tag["line"]) - tag["line"] + 1


def sizes(root):
    for name, function, first, count in functions(root):
        if count > FUNCTION_LINES_MAX:
            yield f"{name}:{first}: {function} has {count} lines, {FUNCTION_LINES_MAX} are allowed"
    for name in tree.files(root, r"^(src|tests|bench|scripts)/.*\.(c|h|py)$"):
        count = tree.text(root, name).count("\n")
        if count > FILE_LINES_MAX:
            yield f"{name}: {count} lines, {FILE_LINES_MAX} are allowed"


def dead(root):
    """Functions the linker throws away from the whole program: nothing reaches them from main."""
    where = os.environ.get("CHECK_OBJECTS", "build/debug")
    objects = [
        os.path.join(where, name[len("src/") : -1] + "o")
        for name in tree.files(root, r"^src/\w+/[^/]+\.c$")
        if not name.endswith("_fuzz.c")
    ]
    allowed = dict(
        (line.split(None, 1) + [""])[:2]
        for line in tree.text(root, DEAD_ALLOWED).split("\n")
        if line and not line.startswith("#")
    )
    link = os.environ.get("CHECK_LINK", "-Wl,--gc-sections").split()
    command = [os.environ.get("CC", "gcc"), "-o", os.path.join(where, "dead"), *objects, "-Wl,--print-gc-sections", *link]
    code, out = tree.run(command, root)
    if code:
        yield "does not link: " + " | ".join(out.split("\n")[:5])
        return
    gone = set()
    for section, path in re.findall(r"removing unused section '\.text\.([\w.]+)' in file '([^']+)'", out):
        function = section.split(".")[-1] if section.startswith("unlikely.") else section.split(".")[0]
        gone.add(function)
        if function not in allowed:
            yield f"{path.replace(where, 'src')[:-1]}c: {function} is reached by nothing but tests"
    for function in sorted(set(allowed) - gone):
        yield f"{DEAD_ALLOWED}: {function} is not dead"
