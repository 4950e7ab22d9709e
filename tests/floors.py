#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check the floor table of docs/ARCHITECTURE.md against the sources.

The table's rows are "| 0 ground | os, lock, log, param | ... |": the floor's
number, then its rooms from bottom to top. A room is src/ROOM.c with
src/ROOM.h, or a header alone. It may use rooms on lower floors and those that
stand before it on its own floor, and nothing else: neither by an #include nor
by a symbol. A header without a .c file that the table does not name is common
ground: everybody may include it, and it may include the ground floor only.

Calls upwards go through registered function pointers, which neither of the
two checks sees; docs/ARCHITECTURE.md lists them.
"""

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
ROW = re.compile(r'^\|\s*(\d+)\b[^|]*\|([^|]*)\|')


class Breach(Exception):
    """The check cannot even be made."""


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def parse_table(text):
    """Room -> (floor, position in its floor)."""
    place = {}
    for line in text.splitlines():
        row = ROW.match(line)
        if not row:
            continue
        floor = int(row.group(1))
        # "`os` every syscall, `lock`, list": the first word is the room.
        for i, cell in enumerate(re.split(r'[,;]', row.group(2))):
            name = re.match(r'\s*`?([A-Za-z_][\w-]*)', cell)
            if not name:
                continue
            if name.group(1) in place:
                raise Breach(f'room {name.group(1)} is in the table twice')
            place[name.group(1)] = (floor, i)
    if not place:
        raise Breach('no floor table found (rows "| 0 ground | os, ... |")')
    return place


def room_of(path):
    return os.path.splitext(os.path.basename(path))[0]


def describe(room, place):
    return f'{room} (floor {place[room][0]})' if room in place else room


def sources(top):
    found = []
    for folder, _, names in os.walk(top):
        found += [os.path.join(folder, n) for n in names
                  if n.endswith(('.c', '.h'))]
    return sorted(found)


def check_rooms(place, files):
    """Every .c file is a room of the table and the other way round."""
    breaches = []
    present = {room_of(f) for f in files}
    for room in sorted({room_of(f) for f in files if f.endswith('.c')}):
        if room not in place:
            breaches.append(f'{room}.c: the floor table has no such room')
    for room in sorted(place):
        if room not in present:
            breaches.append(f'{room}: in the floor table, not in the sources')
    return breaches


def check_includes(place, files):
    breaches = []
    present = {room_of(f) for f in files}
    for path in files:
        room = room_of(path)
        for header in INCLUDE.findall(read(path)):
            other = room_of(header)
            if other == room or other not in present or other not in place:
                continue
            if room in place:
                ok = place[other] < place[room]
            else:  # common ground
                ok = place[other][0] == 0
            if not ok:
                breaches.append(
                    f'{os.path.basename(path)}: {describe(room, place)} '
                    f'includes {header} of {describe(other, place)}')
    return breaches


def read_symbols(folder, rooms):
    """(symbol -> rooms that define it, room -> symbols it needs)."""
    objects = [os.path.join(folder, n) for n in sorted(os.listdir(folder))
               if n.endswith('.o')]
    if not objects:
        raise Breach(f'no objects in {folder}')
    out = subprocess.run(['nm', '-A', '-P'] + objects, check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    return parse_nm(out, rooms)


def parse_nm(text, rooms):
    defined, needed = {}, {}
    for line in text.splitlines():
        # FILE: SYMBOL TYPE VALUE SIZE
        path, _, rest = line.partition(': ')
        fields = rest.split()
        if len(fields) < 2 or not path.endswith('.c.o'):
            continue
        # Meson names the object of src/a/b.c src_a_b.c.o.
        stem = os.path.basename(path)[:-len('.c.o')]
        room = max((r for r in rooms if stem == r or stem.endswith('_' + r)),
                   key=len, default=None)
        if room is None:
            continue
        symbol, kind = fields[0], fields[1]
        if kind in 'Uwv':
            needed.setdefault(room, set()).add(symbol)
        elif kind.isupper():
            defined.setdefault(symbol, set()).add(room)
    return defined, needed


def check_symbols(place, defined, needed):
    breaches = []
    for room in sorted(needed):
        if room not in place:
            continue
        for symbol in sorted(needed[room]):
            owners = {o for o in defined.get(symbol, ()) if o in place}
            if not owners or room in owners:
                continue
            if not any(place[o] < place[room] for o in owners):
                owner = sorted(owners)[0]
                breaches.append(f'{describe(room, place)} needs {symbol} of '
                                f'{describe(owner, place)}')
    return breaches


def check(args):
    place = parse_table(read(args.table))
    files = sources(args.source)
    breaches = check_rooms(place, files) + check_includes(place, files)
    symbols = 0
    if args.objects:
        rooms = {room_of(f) for f in files if f.endswith('.c')}
        defined, needed = read_symbols(args.objects, rooms)
        unseen = rooms - set(needed) - {r for d in defined.values() for r in d}
        if unseen:
            raise Breach(f'{args.objects} lacks {", ".join(sorted(unseen))}')
        symbols = len(defined)
        breaches += check_symbols(place, defined, needed)
    for breach in breaches:
        print(breach)
    floors = len({floor for floor, _ in place.values()})
    print(f'{len(place)} rooms on {floors} floors, {len(files)} files, '
          f'{symbols} symbols: {len(breaches)} breaches')
    return 1 if breaches else 0


def self_test():
    """The checker finds what it is for, in a house built for the purpose."""
    table = '''
| floor | rooms | what |
|---|---|---|
| 0 ground | os, `lock` | the bottom |
| 1 | work, pool | |
| 2 roof | init | |
'''
    house = {
        'os.c': '#include "os.h"\n', 'os.h': '#include "list.h"\n',
        'lock.c': '#include "lock.h"\n', 'lock.h': '#include "os.h"\n',
        'list.h': '#include <stddef.h>\n',
        'work.c': '#include "lock.h"\n#include "work.h"\n', 'work.h': '',
        'pool.c': '#include "work.h"\n', 'pool.h': '#include "list.h"\n',
        'init.c': '#include "pool.h"\n#include <cmwq/cmwq.h>\n',
    }
    nm = ('lib.p/src_os.c.o: os_read T 0 1\nlib.p/src_os.c.o: read U  \n'
          'lib.p/src_pool.c.o: pool_get T 0 1\n'
          'lib.p/src_pool.c.o: os_read U  \n'
          'lib.p/src_init.c.o: pool_get U  \n')

    def run(changes=(), more_nm='', table=table):
        with tempfile.TemporaryDirectory() as tmp:
            for name, text in {**house, **dict(changes)}.items():
                with open(os.path.join(tmp, name), 'w',
                          encoding='utf-8') as f:
                    f.write(text)
            place = parse_table(table)
            files = sources(tmp)
            rooms = {room_of(f) for f in files if f.endswith('.c')}
            return (check_rooms(place, files) + check_includes(place, files) +
                    check_symbols(place, *parse_nm(nm + more_nm, rooms)))

    assert run() == [], run()
    cases = {
        'include of a higher floor': dict(
            changes=[('work.c', '#include "init.h"\n'), ('init.h', '')]),
        'include of a later room': dict(
            changes=[('work.c', '  # include "pool.h"\n')]),
        'header of a later room': dict(
            changes=[('os.h', '#include "lock.h"\n')]),
        'common ground that is none': dict(
            changes=[('list.h', '#include "work.h"\n')]),
        'file without a room': dict(changes=[('attic.c', '')]),
        'room without a file': dict(
            table=table.replace('init', 'init, cellar')),
        'symbol of a higher floor': dict(
            more_nm='lib.p/src_os.c.o: pool_get U  \n'),
        'object of a higher floor': dict(
            more_nm='lib.p/src_init.c.o: state D 0 1\n'
                    'lib.p/src_pool.c.o: state U  \n'),
        'symbol of a later room': dict(
            more_nm='lib.p/src_work.c.o: pool_get U  \n'),
    }
    for name, case in cases.items():
        found = run(**case)
        assert len(found) == 1, f'{name}: {found}'
        print(f'{name}: {found[0]}')
    for bad in ('', table + '| 3 | os | |\n'):
        try:
            parse_table(bad)
        except Breach as e:
            print(f'bad table: {e}')
        else:
            raise AssertionError('a bad table was accepted')
    with contextlib.redirect_stdout(io.StringIO()):
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, 'table.md')
            with open(path, 'w', encoding='utf-8') as f:
                f.write(table)
            args = argparse.Namespace(table=path, source=tmp, objects=None)
            assert check(args) == 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--table', default='docs/ARCHITECTURE.md')
    parser.add_argument('--source', default='src')
    parser.add_argument('--objects', metavar='DIR',
                        help='the library\'s objects; without: includes only')
    parser.add_argument('--self-test', action='store_true')
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    try:
        return check(args)
    except (Breach, OSError, subprocess.CalledProcessError) as e:
        print(f'floors: {e}')
        return 1


if __name__ == '__main__':
    sys.exit(main())
