"""Documentation: spelling, links, and claims that can be checked: the request path's stops, the manual page."""
import os
import re

from checks import tree

DOCS = tree.DOCS
# Words codespell takes for mistakes.
IGNORED = "te,ser,nd,fo,ot,ans,fre,hel,lief,crate,inflight,statics,unx,sme,ue,re-use,readd,nulll"
# The project writes British English; American forms in prose, docs and comments are findings.
AMERICAN = {
    "behavior": "behaviour", "color": "colour", "favor": "favour", "honor": "honour", "honored": "honoured",
    "neighbor": "neighbour", "serialized": "serialised", "normalized": "normalised", "recognized": "recognised",
    "initialized": "initialised", "optimized": "optimised", "summarized": "summarised", "canceled": "cancelled",
    "catalog": "catalogue", "labeled": "labelled", "fulfill": "fulfil", "analyze": "analyse",
}  # fmt: skip
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
STOP = re.compile(r"`(src/[\w/]+\.[ch]):([A-Za-z_]\w*)`")


def spelling(root):
    names = tree.files(root, DOCS, r"^(src|bench|scripts|man)/.*\.(c|h|def|py|1)$", r"^(Makefile|scripts/[\w-]+)$")
    if names:
        _, out = tree.run(["codespell", "--ignore-words-list", IGNORED, *names], root)
        yield from (line for line in out.split("\n") if "==>" in line)
    american = re.compile(r"(?<![\w`/.-])(" + "|".join(AMERICAN) + r")(?![\w`-])", re.I)
    for name, number, line in tree.prose(root):
        for found in american.finditer(line):
            yield f"{name}:{number}: {found[1]} ==> {AMERICAN[found[1].lower()]}"


def links(root):
    """Relative links of the documentation lead to files that are there."""
    for name in tree.files(root, DOCS):
        for number, line in tree.lines(root, name):
            for target in LINK.findall(line):
                path = target.split("#")[0]
                if not path or "://" in path or path.startswith("mailto:"):
                    continue
                if not os.path.exists(os.path.join(root, os.path.dirname(name), path)):
                    yield f"{name}:{number}: no such file: {target}"


def stops(root):
    """Every `src/file.c:function` that a page names is defined there; the map opens with ten of them."""
    for name in tree.files(root, DOCS):
        for number, line in tree.lines(root, name):
            for path, function in STOP.findall(line):
                if not os.path.exists(os.path.join(root, path)):
                    yield f"{name}:{number}: no such file: {path}"
                elif not re.search(rf"^[\w\s*]*\b{function}\([^;]*$", tree.text(root, path), re.M):
                    yield f"{name}:{number}: {path} does not define {function}"
    count = len(STOP.findall(tree.text(root, "docs/README.md")))
    if count < 10:
        yield f"docs/README.md: the request path has {count} stops, ten are promised"


def manual(root):
    for name in tree.files(root, r"^man/.*\.\d$"):
        _, out = tree.run(["mandoc", "-T", "lint", "-W", "warning", name], root)
        yield from filter(None, out.split("\n"))
