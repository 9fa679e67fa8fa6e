"""Plants one violation for each check in an otherwise empty tree and wants it found."""
import os
import tempfile

# check: ({file: content}, what a finding must say)
PLANTED = {
    "layers": ({"src/wire/wire.c": '#include "gate/gate.h"\n'}, "wire may not include gate"),
    "rooms": ({"src/wire/wire.c": ""}, "src/wire/wire.h: missing"),
    "headers": ({"src/wire/a.h": "int f(struct_that_is_not_there x);\n"}, "src/wire/a.h: does not compile alone"),
    "format": ({"src/wire/a.c": "int  main( void ){return 0;}\n"}, "src/wire/a.c: not formatted in"),
    "banned": ({"src/wire/a.c": 'int f(void)\n{\n\treturn atoi("1");\n}\n'}, "src/wire/a.c:3: atoi is banned"),
    "unfinished": ({"src/wire/a.c": "/* " + "TO" + "DO */\n"}, "src/wire/a.c:1"),
    "sizes": ({"src/wire/a.c": "int f(void)\n{\n" + "\t;\n" * 90 + "\treturn 0;\n}\n"}, "f has 94 lines"),
    "dead": ({"src/wire/a.c": "int unreached(void);\n", "build/a.c": ""}, "src/wire/a.c: unreached is reached by nothing"),
    "paths": ({"README.md": "see /" + "root/notes\n"}, "README.md:1: path of a machine"),
    "shell": ({"scripts/a": "#!/usr/bin/env bash\nrm $1\n"}, "SC2086"),
    "spelling": ({"README.md": "the " + "behav" + "ior of the gateway\n"}, "==> behaviour"),
    "links": ({"README.md": "[map](docs/nowhere.md)\n"}, "no such file: docs/nowhere.md"),
    "stops": ({"docs/README.md": "`src/wire/wire.c:nothing`\n", "src/wire/wire.c": "int x;\n"}, "does not define nothing"),
    "manual": ({"man/a.1": ".Dd x\n.Dt A 1\n.Os\n.Sh NAME\n.Xx\n"}, "man/a.1"),
}  # fmt: skip
COMMON = {
    "src/LAYERS": "L0 base:\nL1 wire: base\nL4 gate: base wire\n",
    "docs/README.md": "",
    "scripts/checks/dead-allowed.txt": "",
}


def plant(root, files):
    for name, content in {**COMMON, **files}.items():
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        with open(os.path.join(root, name), "w", encoding="utf-8") as f:
            f.write(content)


def build_unreached(root):
    """What `make objects` would have left for the dead-function check."""
    os.makedirs(os.path.join(root, "build/debug/wire"))
    code = "int unreached(void);int unreached(void){return 1;} int main(void){return 0;}"
    command = f"echo '{code}' | gcc -ffunction-sections -x c -c - -o {root}/build/debug/wire/a.o"
    return os.system(command) == 0


def self_test(checks):
    os.environ.update(CC="gcc", CHECK_FLAGS="-Isrc -std=gnu17", CHECK_LINK="-Wl,--gc-sections", CHECK_OBJECTS="build/debug")
    failed = 0
    for name, check in checks.items():
        files, wanted = PLANTED[name]
        with tempfile.TemporaryDirectory() as root:
            plant(root, files)
            if name == "dead" and not build_unreached(root):
                print("FAILED dead: cannot compile")
            findings = list(check(root))
        if not any(wanted in finding for finding in findings):
            failed += 1
            print(f"FAILED {name}: planted, not found: {wanted}; found: {findings}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0
