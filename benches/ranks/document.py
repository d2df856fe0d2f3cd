"""Tables in a document, between markers: what a command prints."""
import re

from . import tables

MARKED = re.compile(r"(<!-- scaling\.py (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def content(found):
    """Tables with empty lines between them."""
    lines = []
    for lines_of_table in found:
        lines += ["", *lines_of_table] if lines else lines_of_table
    return lines


def between(found):
    return "\n" + "\n".join(content(found)) + "\n\n"


def check(path):
    """1 if a table differs from what is printed, or is missing."""
    with open(path, encoding="utf-8") as opened:
        marked = {name: body for _, name, body, _ in MARKED.findall(opened.read())}
    status = 0
    for name, make in tables.TABLES.items():
        expected, found = between(make()), marked.get(name)
        if found == expected:
            continue
        status = 1
        if found is None:
            print(f"{path}: no tables of {name} between <!-- scaling.py {name} --> and <!-- end -->")
            continue
        differing = [pair for pair in zip(found.splitlines() + [""], expected.splitlines() + [""]) if pair[0] != pair[1]]
        print(f"{path}: the tables of {name} are not those of benches/scaling.py; mend them with --write {path}")
        for line, printed in differing[:1]:
            print(f"  there:   {line}\n  printed: {printed}")
    return status


def write(path, name=None, found=None):
    """Puts all tables that are computed there, or one."""
    with open(path, encoding="utf-8") as opened:
        text = opened.read()
    new = {name: between(found)} if name else {name: between(make()) for name, make in tables.TABLES.items()}
    replaced = MARKED.sub(lambda match: match[1] + new.get(match[2], match[3]) + match[4], text)
    with open(path, "w", encoding="utf-8") as opened:
        opened.write(replaced)
