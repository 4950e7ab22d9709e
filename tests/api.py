#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
api.py - docs/API.md lists the names of the public headers and the parameters of
src/param.c: every one of them, once, and no other; and each row of its tables says
what its state is.
"""
import os
import re
import sys

from names import parameters, private_names, public_names

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def listed(text):
    """The names in the first column of the tables, with what their row says."""
    for row in re.findall(r'^\|([^|\n]*`[^|\n]*)\|([^\n]*)\|$', text, re.M):
        for name in re.findall(r'`([^`]+)`', row[0]):
            yield name, row[1].strip()


def main():
    failed = []
    with open(os.path.join(ROOT, 'docs/API.md'), encoding='utf-8') as f:
        rows = list(listed(f.read()))
    public = set(public_names(ROOT)[0]) | parameters(ROOT)
    private = private_names(ROOT)
    names = [name for name, state in rows]

    for name in sorted(public - private - set(names)):
        failed.append('is not listed: ' + name)
    for name in sorted((private | set(names)) - public):
        failed.append('does not exist: ' + name)
    for name in sorted(private & set(names)):
        failed.append('is private and in a table: ' + name)
    for name in sorted({n for n in names if names.count(n) > 1}):
        failed.append('is listed twice: ' + name)
    for name, state in rows:
        if not state:
            failed.append('has no state: ' + name)
    for line in failed:
        print('docs/API.md: what', line)
    print('%d names in tables, %d private' % (len(names), len(private)))
    return bool(failed) or not names


if __name__ == '__main__':
    sys.exit(main())
