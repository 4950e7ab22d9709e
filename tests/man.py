#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
man.py - the manual pages against the headers.

 - A page of section 3 documents names that exist, each on one page.
 - Every public function, variable and macro has a page.
 - What a SYNOPSIS says compiles: a prototype must be that of the header, and a
   macro must take arguments and give results of the types that stand there. Of
   one without types the number of its parameters is compared.
 - What stands in EXAMPLES compiles without a warning.
 - A reference leads to one of the pages, or to one of the system that is known
   to exist.
 - cmwq-params(7) lists the parameters of src/param.c, with the values that they
   have in the library if nobody sets them.
"""
import ctypes
import glob
import os
import re
import shlex
import subprocess
import sys

from names import parameters, private_names, public_names

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Pages of others that may be referred to.
FOREIGN = {
    'abort(3)', 'addr2line(1)', 'cgroups(7)', 'clock_gettime(3)', 'clone(2)',
    'cpuset(7)', 'dladdr(3)', 'fork(2)', 'getcpu(2)', 'lstopo(1)',
    'printf(3)', 'proc(5)', 'ps(1)', 'ptrace(2)', 'read(2)', 'sched(7)',
    'sched_setaffinity(2)', 'sha256sum(1)', 'signal-safety(7)', 'taskset(1)',
    'top(1)',
}

# What a reader of an example is trusted to include.
PREAMBLE = ''.join('#include <%s>\n' % h for h in (
    'errno.h', 'sched.h', 'signal.h', 'stdatomic.h', 'stdio.h', 'stdlib.h',
    'string.h', 'syslog.h', 'unistd.h'))

failed = False


def fail(text):
    global failed
    failed = True
    print('FAILED:', text)


def plain(text):
    """Code as it stands between .Bd and .Ed, without roff's escapes."""
    for escape, char in (('\\&', ''), ('\\-', '-'), ('\\(aq', "'"),
                         ('\\(ga', '`'), ('\\(ha', '^'), ('\\(ti', '~'),
                         ('\\e', '\\')):
        text = text.replace(escape, char)
    return text


class Page:
    def __init__(self, path):
        self.path = path
        self.title, self.section = os.path.basename(path).rsplit('.', 1)
        with open(path, encoding='utf-8') as f:
            self.lines = f.read().split('\n')
        self.sections = {}
        lines = []
        for line in self.lines:
            if line.startswith('.Sh '):
                lines = self.sections[line[4:]] = []
            lines.append(line)
        self.names = [line.split()[1] for line in self.sections['NAME']
                      if line.startswith('.Nm ')]

    def where(self):
        return os.path.basename(self.path)

    def macros(self, section, name):
        for line in self.sections.get(section, []):
            if line.startswith('.' + name + ' '):
                yield shlex.split(line[len(name) + 2:])

    def references(self):
        for line in self.lines:
            if line.startswith('.Xr '):
                words = [w for w in line[4:].split() if w not in '()']
                yield '%s(%s)' % (words[0], words[1])

    def includes(self):
        headers = [words[0] for words in self.macros('SYNOPSIS', 'In')]
        return ''.join('#include <%s>\n' % h for h in headers)

    def prototypes(self):
        """(type, name, arguments) of each function of the SYNOPSIS."""
        result = ''
        for line in self.sections.get('SYNOPSIS', []):
            words = shlex.split(line[4:]) if line.startswith('.F') else []
            if line.startswith('.Ft '):
                result = ' '.join(words)
            elif line.startswith('.Fn '):
                yield result, words[0], words[1:]
                result = ''

    def variables(self):
        for words in self.macros('SYNOPSIS', 'Vt'):
            yield ' '.join(words).replace(' ;', ';')

    def examples(self):
        code, inside = [], False
        for line in self.sections.get('EXAMPLES', []):
            if line.startswith('.Bd -literal'):
                inside = True
            elif line == '.Ed':
                inside = False
                code.append('')
            elif inside:
                code.append(plain(line))
        return '\n'.join(code)


def compiles(code):
    cc = os.environ.get('CC', 'cc').split()
    run = subprocess.run(
        cc + ['-x', 'c', '-std=gnu11', '-D_GNU_SOURCE', '-fsyntax-only',
              '-Wall', '-Wextra', '-Wno-unused-function',
              '-Wno-unused-variable', '-Wno-format-security', '-Werror',
              '-I' + os.path.join(ROOT, 'include'), '-'],
        input=code, capture_output=True, text=True)
    return run.stderr if run.returncode else ''


def parameter(declaration):
    return re.match(r'.*?(\w+)(\[\])?$', declaration).group(1)


def prototype_code(result, name, args, macro):
    """C that compiles only if the prototype is right."""
    if not macro:
        return '%s %s(%s);\n' % (result, name, ', '.join(args))
    args = [a for a in args if a not in ('void', '...')]
    declared = ', '.join(args) or 'void'
    call = '%s(%s)' % (name, ', '.join(map(parameter, args)))
    if result != 'void':
        call = 'return ' + call
    return 'static %s check_%s(%s) { %s; }\n' % (
        result, name.lstrip('_'), declared, call)


def check_synopsis(page, kinds, macros):
    code = page.includes() + ''.join(v + '\n' for v in page.variables())
    for result, name, args in page.prototypes():
        if name not in page.names:
            fail('%s: %s is in SYNOPSIS, not in NAME' % (page.where(), name))
        elif result or kinds.get(name) != 'macro':
            code += prototype_code(result, name, args, name in macros)
        elif macros[name] is None or len(macros[name]) != len(args):
            fail('%s: %s has other arguments' % (page.where(), name))
    errors = compiles(code)
    if errors:
        fail('%s: SYNOPSIS does not compile\n%s' % (page.where(), errors))


def check_examples(page):
    code = page.examples()
    errors = compiles(PREAMBLE + page.includes() + code) if code else ''
    if errors:
        fail('%s: EXAMPLES do not compile\n%s' % (page.where(), errors))


def check_names(pages, kinds):
    where = {}
    for page in pages:
        for name in page.names:
            if page.section == '3' and name not in kinds:
                fail('%s: there is no %s' % (page.where(), name))
            if name in where:
                fail('%s: also in %s: %s' % (page.where(), where[name], name))
            where[name] = page.where()
        if page.names[0] != page.title:
            fail('%s: its first name is another' % page.where())
    return where


def check_complete(documented, kinds, private):
    for name, kind in sorted(kinds.items()):
        if kind in ('type', 'constant') or name in private:
            continue
        if name not in documented:
            fail('no page documents %s (%s)' % (name, kind))


def check_references(pages):
    known = {'%s(%s)' % (name, page.section)
             for page in pages for name in page.names}
    for page in pages:
        for ref in page.references():
            if ref not in known and ref not in FOREIGN:
                fail('%s: refers to %s' % (page.where(), ref))


def default_of(library, name):
    buf = ctypes.create_string_buffer(64)
    if library.cmwq_param_get_string(name.encode(), buf, len(buf)) < 0:
        return None
    return buf.value.decode() or 'all'  # the empty list of CPUs


def check_parameters(page):
    there = parameters(ROOT)
    listed = dict(re.findall(r'^\.It Li (\w+\.\w+) Pq (\S*)$',
                             '\n'.join(page.lines), re.M))
    for name in sorted(there ^ set(listed)):
        fail('%s: %s is only in %s' % (page.where(), name, 'the page' if
                                       name in listed else 'src/param.c'))
    if 'CMWQ_BUILD' not in os.environ:
        return
    os.environ.pop('CMWQ_PARAMS', None)
    library = ctypes.CDLL(os.path.join(os.environ['CMWQ_BUILD'],
                                       'libcmwq.so'))
    for name, value in listed.items():
        if default_of(library, name) != value:
            fail('%s: %s is %s, not %s' % (page.where(), name,
                                           default_of(library, name), value))


def main():
    pages = [Page(p) for p in sorted(glob.glob(os.path.join(ROOT, 'man/*.?')))]
    kinds, macros = public_names(ROOT)
    documented = check_names(pages, kinds)
    check_complete(documented, kinds, private_names(ROOT))
    check_references(pages)
    check_parameters([p for p in pages if p.title == 'cmwq-params'][0])
    for page in pages:
        if page.section == '3':
            check_synopsis(page, kinds, macros)
        if page.section in '37':
            check_examples(page)
    print('%d pages, %d names' % (len(pages), len(documented)))
    return failed


if __name__ == '__main__':
    sys.exit(main())
