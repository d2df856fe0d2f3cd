#!/usr/bin/env python3
"""What several ranks exchange, and how long their steps take: the tables of docs/scaling.md.

usage: scaling.py bytes | links | predict             prints tables
       scaling.py measure PROGRAM [--rate RATE] [--write DOCUMENT]
           compares the simulation with runs of 1, 2 and 4 ranks on this machine, two minutes; status 1 if bytes differ, or a step takes
           another time by more than a factor. With a rate, such as 1gbit, each rank has a host of its own: a network namespace, whose link
           is limited to it, which needs root
       scaling.py --check DOCUMENT                    whether the tables of a document are those that are printed
       scaling.py --write DOCUMENT                    puts them there
       scaling.py selftest                            checks the arithmetic and the simulation
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from ranks import document, measure, selftest, tables


def main(arguments):
    if len(arguments) == 1 and arguments[0] in tables.TABLES:
        print("\n".join(document.content(tables.TABLES[arguments[0]]())))
    elif arguments == ["selftest"]:
        selftest.run()
    elif len(arguments) == 2 and arguments[0] == "--check":
        sys.exit(document.check(arguments[1]))
    elif len(arguments) == 2 and arguments[0] == "--write":
        document.write(arguments[1])
    elif arguments[:1] == ["measure"] and len(arguments) in (2, 4, 6) and set(arguments[2::2]) <= {"--rate", "--write"}:
        options = dict(zip(arguments[2::2], arguments[3::2]))
        sys.exit(measure.run(arguments[1], options.get("--rate"), options.get("--write")))
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main(sys.argv[1:])
