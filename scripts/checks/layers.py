"""Rooms and layers: every #include that leaves its room against src/LAYERS, and what each room must have."""
import os
import re

from checks import tree

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
ROW = re.compile(r"^L(\d)\s+(\w+):\s*(.*)$")


def table(root):
    """{room: (layer, [rooms it may include])} and the findings of reading it."""
    rooms, findings = {}, []
    for number, line in tree.lines(root, "src/LAYERS"):
        if not line or line.startswith("#"):
            continue
        row = ROW.match(line)
        if not row:
            findings.append(f"src/LAYERS:{number}: not a row: {line}")
            continue
        layer, room, needs = int(row[1]), row[2], row[3].split()
        for need in needs:
            # A room of the same line must stand above: that order is what rules out cycles.
            if need not in rooms:
                findings.append(f"src/LAYERS:{number}: {room} includes {need}, which stands below it or nowhere")
            elif rooms[need][0] > layer:
                findings.append(f"src/LAYERS:{number}: {room} includes {need} of a higher layer")
        rooms[room] = (layer, needs)
    return rooms, findings


def includes(root):
    """(file, line, room of the file, included path) of every #include "…" under src/."""
    for name in tree.files(root, r"^src/\w+/[^/]+\.(c|h|def)$"):
        for number, line in tree.lines(root, name):
            found = INCLUDE.match(line)
            if found:
                yield name, number, name.split("/")[1], found[1]


def check(root):
    rooms, findings = table(root)
    yield from findings
    for name, number, room, path in includes(root):
        where = f"{name}:{number}"
        target, _, header = path.partition("/")
        if room not in rooms:
            yield f"{where}: room {room} does not stand in src/LAYERS"
        elif target == room:
            continue
        elif target not in rooms:
            yield f'{where}: "{path}" is no room\'s header'
        elif target not in rooms[room][1]:
            yield f"{where}: {room} may not include {target} (src/LAYERS)"
        elif header != f"{target}.h":
            yield f'{where}: "{path}" is private; the door is {target}/{target}.h'


def rooms(root):
    """Each room has a door and a page, and a source file includes its own header first."""
    for room in table(root)[0]:
        if not os.path.isdir(os.path.join(root, "src", room)):
            yield f"src/LAYERS: {room} does not exist"
            continue
        for needed in [f"src/{room}/README.md"] + ([f"src/{room}/{room}.h"] if room != "cmd" else []):
            if not os.path.exists(os.path.join(root, needed)):
                yield f"{needed}: missing"
    first = {}
    for name, number, _, path in includes(root):
        first.setdefault(name, (number, path))
    for name, (number, path) in first.items():
        own = name[len("src/") : -1] + "h"
        if name.endswith(".c") and path != own and os.path.exists(os.path.join(root, "src", own)):
            yield f'{name}:{number}: its own header "{own}" comes first'
