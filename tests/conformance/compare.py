#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the cases and the storm in both worlds, and compare.

Prints TAP, then one table: case, the kernel's result, cmwq's result, same or
different. A different result is a failure unless the case names the decision
that it comes from. A sequence of the storm that comes out differently is made
shorter until nothing can be left out of it.

    compare.py [--storm N] [--write] CONFORMANCE KERNEL

CONFORMANCE is the program of the build, KERNEL the folder that
scripts/bring-kernel.sh made. --write updates docs/CONFORMANCE.md and
storm.kernel.
"""

import argparse
import datetime
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DOC = os.path.join(HERE, '../../docs/CONFORMANCE.md')
GOLDEN = os.path.join(HERE, 'storm.kernel')
GOLDEN_SIZE = 500
VERDICTS = ['ok', 'failed', 'skipped']


class Skip(Exception):
    """No comparison can be made here."""


class Case:
    def __init__(self, line):
        self.room, self.name, self.fact, self.differs = line.split('\t')
        self.kernel = self.cmwq = None

    def outcome(self):
        """(good, word for the table)"""
        if not self.kernel or not self.cmwq:
            return False, 'no result: ' + ('kernel' if not self.kernel
                                           else 'cmwq')
        verdicts = {self.kernel.verdict, self.cmwq.verdict}
        if 'failed' in verdicts:
            return False, ('different' if self.kernel.record !=
                           self.cmwq.record else 'same, but not as stated')
        if 'skipped' in verdicts:
            return True, 'one world: ' + '; '.join(filter(None, (
                r.notes for r in (self.kernel, self.cmwq)
                if r.verdict == 'skipped')))
        if self.kernel.record != self.cmwq.record:
            return bool(self.differs), 'different' + (
                ': ' + self.differs if self.differs else '')
        if self.differs:
            return False, 'same, though said to be different'
        return True, 'same'


class Result:
    def __init__(self, verdict, record, notes):
        self.verdict = VERDICTS[int(verdict)]
        self.record = record
        self.notes = notes

    def short(self):
        """The values without the expressions."""
        if self.verdict == 'skipped':
            return '-'
        return ' '.join(v.rpartition('=')[2] or "''"
                        for v in self.record.split('; '))


def parse(text):
    """(cases, hashes of the storm, replayed records) of one world's output."""
    cases, storm, replays = {}, {}, {}
    for line in text.splitlines():
        field = line.split('\t')
        if field[0] == 'case' and len(field) == 5:
            cases[field[1]] = Result(*field[2:])
        elif field[0] == 'storm' and len(field) == 3:
            storm[int(field[1])] = field[2]
        elif field[0] == 'replay' and len(field) == 5:
            replays[int(field[1]), int(field[2], 16)] = '; '.join(
                f for f in field[3:] if f)
    return cases, storm, replays


class Worlds:
    def __init__(self, program, kernel):
        self.program = program
        self.dir = kernel
        self.env = dict(os.environ)
        # One pod in both worlds, whatever the machine looks like.
        params = self.env.get('CMWQ_PARAMS', '')
        self.env['CMWQ_PARAMS'] = (
            params + ' workqueue.default_affinity_scope=system').strip()

    def cmwq(self, *args):
        run = subprocess.run([self.program, *args], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True, env=self.env,
                             check=False)
        return parse(run.stdout)

    def kernel(self, *params, file=None):
        out = os.path.join(self.dir, 'replayed' if file else 'results')
        env = dict(os.environ)
        if file:
            env['CONF_FILE'] = file
        run = subprocess.run([os.path.join(HERE, 'kernel.sh'), self.dir, out,
                              *params], env=env, check=False)
        if run.returncode == 77 or not os.path.exists(out):
            raise Skip('the kernel does not boot here')
        with open(out, encoding='utf-8', errors='replace') as f:
            return run.returncode == 0, parse(f.read().replace('\r', ''))

    def replay(self, sequences):
        """Run (seed, mask) pairs in both worlds; those that differ."""
        with tempfile.NamedTemporaryFile('w', suffix='.txt') as f:
            f.write(''.join(f'{s} {m:x}\n' for s, m in sequences))
            f.flush()
            _, _, cmwq = self.cmwq('--replay', f.name)
            _, (_, _, kernel) = self.kernel('replay=/input', file=f.name)
        return {q: (kernel.get(q, 'no result'), cmwq.get(q, 'no result'))
                for q in sequences
                if kernel.get(q) is None or kernel.get(q) != cmwq.get(q)}


def shrink(worlds, seed):
    """The shortest sequence that still differs, as (mask, records)."""
    mask = 0xffffff
    different = worlds.replay([(seed, mask)])
    if not different:
        return mask, ('did not differ when repeated', '')
    best = different[seed, mask]
    while True:
        bits = [b for b in range(24) if mask >> b & 1]
        half = len(bits) // 2
        masks = {mask & ~(1 << b) for b in bits}
        for part in (bits[:half], bits[half:], bits[::2], bits[1::2]):
            masks.add(sum(1 << b for b in part))
        masks -= {0, mask}
        different = worlds.replay(sorted((seed, m) for m in masks))
        if not different:
            return mask, best
        (_, mask), best = min(different.items(),
                              key=lambda d: bin(d[0][1]).count('1'))


def print_tap(cases):
    bad = 0
    print(f'TAP version 13\n1..{len(cases)}')
    for n, case in enumerate(cases, 1):
        good, word = case.outcome()
        bad += not good
        skip = word.startswith('one world')
        print(f'{"ok" if good or skip else "not ok"} {n} - {case.name}'
              + (f' # SKIP {word}' if skip else ''))
        if not good and not skip:
            print(f'# {word}\n# {case.fact}')
            for name, result in (('kernel', case.kernel), ('cmwq', case.cmwq)):
                if result:
                    print(f'# {name}: {result.verdict}: {result.record}'
                          + (f' ({result.notes})' if result.notes else ''))
    return bad


def rows(cases):
    for case in cases:
        _, word = case.outcome()
        yield (case.name, case.kernel.short() if case.kernel else 'none',
               case.cmwq.short() if case.cmwq else 'none', word)


def print_table(cases):
    table = [('case', 'kernel', 'cmwq', '')] + list(rows(cases))
    width = [min(max(len(r[i]) for r in table), 74 - 22 * (i > 0))
             for i in range(3)]
    for row in table:
        print('  '.join(f'{c:{w}}' for c, w in zip(row, width)) + '  '
              + row[3])


def write_doc(cases, release, version, storm):
    with open(DOC, encoding='utf-8') as f:
        text = f.read()
    lines = [f'Linux {release}, package {version}, on {datetime.date.today()}: '
             f'{len(cases)} cases, {storm}.', '',
             '| case | kernel | cmwq | |', '|---|---|---|---|']
    room = None
    for case, row in zip(cases, rows(cases)):
        if case.room != room:
            room = case.room
            lines.append(f'| **{room}** | | | |')
        name, kernel, cmwq, word = (c.replace('|', '\\|') for c in row)
        lines.append(f'| {name} | {kernel} | {cmwq} | {word} |')
    text = re.sub(r'(<!-- table -->\n).*(<!-- end -->)',
                  lambda m: m[1] + '\n'.join(lines) + '\n' + m[2], text,
                  flags=re.DOTALL)
    with open(DOC, 'w', encoding='utf-8') as f:
        f.write(text)


def write_golden(release, hashes):
    if len(hashes) < GOLDEN_SIZE:
        print(f'{GOLDEN} stays: it has {GOLDEN_SIZE} sequences')
        return
    with open(GOLDEN, 'w', encoding='utf-8') as f:
        f.write(f'# What sequences of storm.c gave in Linux {release}: seed, '
                'hash.\n')
        for seed in sorted(hashes)[:GOLDEN_SIZE]:
            f.write(f'{seed} {hashes[seed]}\n')


def compare_storm(worlds, kernel, count):
    """(number that differ, sentence, confirmed hashes of the kernel)

    An emulated CPU may stand still for so long that a sequence does not come to
    rest as it should: one that does not differ when it is repeated is said to
    have differed once.
    """
    _, cmwq, _ = worlds.cmwq('--storm', '1', str(count))
    once = [s for s in range(1, count + 1)
            if s not in kernel or kernel[s] != cmwq.get(s)]
    again = worlds.replay([(s, 0xffffff) for s in once]) if once else {}
    bad = [s for s in once if (s, 0xffffff) in again]
    word = f'{count} sequences of the storm, {len(bad)} different'
    if len(bad) != len(once):
        word += f' ({len(once) - len(bad)} once, and not when repeated)'
    print(f'# {word}', *once[:50])
    for seed in bad[:3]:
        mask, (in_kernel, in_cmwq) = shrink(worlds, seed)
        print(f'# sequence {seed}, operations {mask:#x}:\n'
              f'#   kernel: {in_kernel}\n#   cmwq:   {in_cmwq}')
    confirmed = {s: cmwq.get(s) if s in once and s not in bad else h
                 for s, h in kernel.items()}
    return len(bad), word, confirmed


def read(worlds, name):
    with open(os.path.join(worlds.dir, name), encoding='utf-8') as f:
        return f.read().strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--storm', type=int, default=200, metavar='N')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('conformance')
    parser.add_argument('kernel')
    args = parser.parse_args()
    worlds = Worlds(args.conformance, args.kernel)
    listed = subprocess.run([args.conformance, '--list'], text=True,
                            stdout=subprocess.PIPE, check=True).stdout
    cases = [Case(line) for line in listed.splitlines()]
    complete, (kernel, storm, _) = worlds.kernel(f'storm=1,{args.storm}')
    cmwq, _, _ = worlds.cmwq('--results')
    for case in cases:
        case.kernel = kernel.get(case.name)
        case.cmwq = cmwq.get(case.name)
    bad = print_tap(cases)
    print_table(cases)
    bad_storm, word, hashes = compare_storm(worlds, storm, args.storm)
    same = sum(case.outcome()[1] == 'same' for case in cases)
    release = read(worlds, 'release')
    print(f'Linux {release}: {len(cases)} cases, {same} the same, {bad} '
          f'failed; {word}')
    if not complete:
        print('the kernel did not come to the end')
    if args.write:
        write_doc(cases, release, read(worlds, 'version'), word)
        write_golden(release, hashes)
    return 1 if bad or bad_storm or not complete else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except Skip as e:
        print(f'compare.py: {e}')
        sys.exit(77)
