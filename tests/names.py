# SPDX-License-Identifier: MIT
"""
names.py - the public names of the headers, as the compiler sees them: for the
checks of the manual pages and of docs/API.md.

Every name that a header brings into a program counts, whether it is for programs
or not; those that are not are listed in docs/API.md under "Private names".
"""
import os
import re
import subprocess

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|\w+|\.\.\.|\S')
WORD = re.compile(r'[A-Za-z_]\w*$')


def preprocess(source):
    """Lines of our headers: declarations, and #defines as they stand."""
    include = os.path.join(source, 'include')
    text = ''.join('#include <cmwq/%s>\n' % h for h in
                   sorted(os.listdir(os.path.join(include, 'cmwq'))))
    cc = os.environ.get('CC', 'cc').split()
    out = subprocess.run(cc + ['-E', '-dD', '-std=gnu11', '-I' + include, '-'],
                         input=text, capture_output=True, text=True, check=True)
    ours = False
    for line in out.stdout.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            ours = marker.group(1).startswith(include)
        elif ours:
            yield line


def strip_calls(tokens, words):
    """Leave out each of the words with the parentheses that follow it."""
    out, depth, skip = [], 0, False
    for i, t in enumerate(tokens):
        if t in words and not skip:
            skip, depth = True, 0
        elif not skip:
            out.append(t)
        if skip and t == '(':
            depth += 1
        if skip and t == ')':
            depth -= 1
            skip = depth > 0
    return out


def statements(tokens):
    """Declarations and definitions of file scope."""
    one, depth = [], 0
    for t in tokens:
        one.append(t)
        if t == '{':
            depth += 1
        elif t == '}':
            depth -= 1
        ends_body = t == '}' and not depth and is_function(one)
        if not depth and (t == ';' or ends_body):
            yield one
            one = []


def is_function(tokens):
    brace = tokens.index('{')
    return brace > 0 and tokens[brace - 1] == ')'


def name_of(tokens):
    """What a declaration without a body declares, and its kind."""
    for i, t in enumerate(tokens[:-1]):
        if tokens[i + 1] == '(':
            if tokens[i + 2] == '*' and tokens[0] == 'typedef':
                return tokens[i + 3], 'type'
            return t, 'type' if tokens[0] == 'typedef' else 'function'
    words = [t for t in tokens if WORD.match(t)]
    return words[-1], 'type' if tokens[0] == 'typedef' else 'variable'


def declared(tokens):
    """Yield the names of one statement."""
    head = [t for t in tokens if t not in ('extern', 'static', 'const')]
    if head[0] in ('struct', 'enum', 'union'):
        brace = len(head) > 2 and head[2] == '{'
        if brace or len(head) == 3:
            yield head[0] + ' ' + head[1], 'type'
        if head[0] == 'enum' and brace:
            yield from constants(head[3:])
        if brace or len(head) == 3:
            return
    if head[0] == 'enum' and head[1] == '{':
        yield from constants(head[2:])
        return
    inline = 'inline' in tokens
    if '{' in tokens:
        tokens = tokens[:tokens.index('{')] + [';']
    name, kind = name_of([t for t in tokens if t != '__inline'])
    yield name, 'inline' if inline and kind == 'function' else kind


def constants(tokens):
    expect = True
    for t in tokens:
        if expect and WORD.match(t):
            yield t, 'constant'
        expect = t == ','


def public_names(source):
    """Name -> kind; and name -> parameters of the macros, None if it has none."""
    kinds, macros, text = {}, {}, []
    for line in preprocess(source):
        define = re.match(r'#define (\w+)(\(([^)]*)\))?', line)
        if define:
            args = define.group(3)
            macros[define.group(1)] = None if args is None else [
                a for a in args.replace(' ', '').split(',') if a]
        elif not line.startswith('#'):
            text.append(line)
    tokens = strip_calls(TOKEN.findall('\n'.join(text)),
                         ('__attribute__', '__asm__', '__asm'))
    for one in statements(tokens):
        kinds.update(declared(one))
    kinds.update((m, 'macro') for m in macros)
    return kinds, macros


def private_names(source):
    """Those that docs/API.md lists as not for programs."""
    with open(os.path.join(source, 'docs/API.md'), encoding='utf-8') as f:
        text = f.read()
    section = re.search(r'^## Private names\n(.*?)(?=^## |\Z)', text,
                        re.M | re.S)
    return set(re.findall(r'`([^`]+)`', section.group(1))) if section else set()


def parameters(source):
    """Names as they stand in the table of src/param.c."""
    with open(os.path.join(source, 'src/param.c'), encoding='utf-8') as f:
        return set(re.findall(r'"((?:workqueue|cmwq)\.\w+)"', f.read()))


if __name__ == '__main__':
    for n, k in sorted(public_names(os.path.dirname(
            os.path.dirname(os.path.abspath(__file__))))[0].items()):
        print(k, n)
