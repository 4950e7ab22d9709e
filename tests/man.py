#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
man.py - the manual pages against the headers.

 - A page of section 3 documents names that exist, each on one page.
 - What a SYNOPSIS says compiles: a prototype must be that of the header, and a
   macro must take arguments and give results of the types that stand there. Of
   one without types the number of its parameters is compared.
 - What stands in EXAMPLES compiles without a warning.
"""
import glob
import os
import re
import shlex
import subprocess
import sys

from names import public_names

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What a reader of an example is trusted to include.
PREAMBLE = ''.join('#include <%s>\n' % h for h in (
    'errno.h', 'pthread.h', 'signal.h', 'stdatomic.h', 'stdio.h', 'stdlib.h',
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
              '-Wno-unused-variable', '-Werror',
              '-I' + os.path.join(ROOT, 'include'), '-'],
        input=code, capture_output=True, text=True)
    return run.stderr if run.returncode else ''


def parameter(declaration):
    return re.match(r'.*?(\w+)(\[\])?$', declaration).group(1)


def prototype_code(result, name, args, macro):
    """C that compiles only if the prototype is right."""
    declared = ', '.join(args)
    if not macro:
        return '%s %s(%s);\n' % (result, name, declared)
    call = '%s(%s)' % (name, ', '.join(parameter(a) for a in args
                                       if a != 'void'))
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


def main():
    pages = [Page(p) for p in sorted(glob.glob(os.path.join(ROOT, 'man/*.?')))]
    kinds, macros = public_names(ROOT)
    documented = check_names(pages, kinds)
    for page in pages:
        if page.section == '3':
            check_synopsis(page, kinds, macros)
        if page.section in '37':
            check_examples(page)
    print('%d pages, %d names' % (len(pages), len(documented)))
    return failed


if __name__ == '__main__':
    sys.exit(main())
