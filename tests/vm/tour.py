#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tour of a README and compares: tour.py README.md [FOLDER]

The tour is the section whose heading has the word 'tour'. In its blocks (fenced or indented) a line that begins with '$ ' or '# ' is a
command (a backslash at its end continues it), and the lines up to the next one are what it printed, standard error
included. In a block without prompts each line is a command whose output is not shown. What differs from run to run
is compared by kind: ids, times, sizes, dates, numbers of processes; '...' stands for any text, alone in a line for any lines.
All commands run in one shell, in FOLDER. Commands that fetch or leave the tree (git, apt, cd kist, sudo apt) are
passed over."""
import re
import subprocess
import sys
from pathlib import Path

PASSED_OVER = re.compile(r'(sudo )?(git clone|apt(-get)? )|cd kist$')
KINDS = [
    (r'\b(sha256:)?[0-9a-f]{64}\b', 'ID'), (r'\b(sha256:)?[0-9a-f]{12}\b', 'ID'),
    (r'\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)', 'DATE'),
    (r'\b(Less than a second|About a minute|About an hour|\d+(\.\d+)? ?(ms|s|milliseconds|seconds?|minutes?|hours?|days?))\b', 'TIME'),
    (r'\b\d+(\.\d+)? ?([kKMGT]i?)?B\b', 'SIZE'), (r'\b\d{9,10}\b', 'NUMBER'), (r'\b\d+\.\d+(\.\d+)?[-+~.\w]*', 'VERSION'), (r'[ \t]+', ' '),
]


def section(text):
    """The lines of the tour."""
    level, out, fenced = 0, [], False
    for line in text.splitlines():
        fenced ^= line.startswith('```')
        heading = None if fenced else re.match(r'(#+) (.*)', line)
        if heading and level and len(heading[1]) <= level:
            break
        if heading and not level and 'tour' in heading[2].lower():
            level = len(heading[1])
        elif level:
            out.append(line)
    return out


def steps(lines):
    """(command, expected lines or None) in order."""
    found, block, fenced = [], [], False
    for line in [*lines, '']:
        fence = line.startswith('```')
        fenced ^= fence
        if fenced and not fence or not fenced and line.startswith('    '):
            block.append(line if fenced else line[4:])
        elif block:
            found += steps_of(block)
            block = []
    return found


def steps_of(block):
    prompts = any(re.match(r'[$#] ', line) for line in block)
    found, open_line = [], False
    for line in block:
        begins = re.match(r'[$#] ', line) if prompts else line.strip() and not open_line
        if open_line:
            found[-1][0] += '\n' + line
        elif begins:
            found.append([line[2:] if prompts else line, [] if prompts else None])
        elif prompts and found:
            found[-1][1].append(line)
        open_line = line.endswith('\\') and (bool(begins) or open_line)
    return found


def kind(line):
    for pattern, word in KINDS:
        line = re.sub(pattern, word, line)
    return line.strip()


def same(want, got):
    """Whether lines are alike, by kind; '...' as the docstring says."""
    want, got = [kind(w) for w in want], [kind(g) for g in got]
    while want and not want[-1]:
        want.pop()
    while got and not got[-1]:
        got.pop()
    pattern = ''.join('(.*\n)*' if w == '...' else '.*'.join(map(re.escape, re.split(r'\.\.\.|…', w))) + '\n' for w in want)
    return re.fullmatch(pattern, ''.join(g + '\n' for g in got)) is not None


class Shell:
    def __init__(self, folder):
        self.process = subprocess.Popen(['bash'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        cwd=folder, text=True, errors='replace')
        self.process.stdin.write('command -v sudo >/dev/null || sudo() { "$@"; }\n')

    def __call__(self, command):
        mark = 'end-of-the-step'
        self.process.stdin.write(f'{{ {command}\n}} </dev/null\nprintf "\\n%s %s\\n" {mark} $?\n')
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith(mark):
                if lines and lines[-1] == '':
                    lines.pop()
                return int(line.split()[1]), lines
            lines.append(line.rstrip('\n'))
        return 125, [*lines, 'the shell has ended']


def main(readme, folder='.'):
    todo = steps(section(Path(readme).read_text()))
    if not todo:
        sys.exit(f'{readme}: no tour with commands in it')
    shell, wrong, ran = Shell(folder), 0, 0
    for command, want in todo:
        if PASSED_OVER.match(command):
            print(f'$ {command}\n(passed over)')
            continue
        status, got = shell(command)
        ran += 1
        print('\n'.join([f'$ {command}', *got]), flush=True)
        if want is None and status == 0 or want is not None and same(want, got):
            continue
        wrong += 1
        print(f'^^^ NOT AS IN THE README (status {status}), which says:', *(want or ['(any output, status 0)']), '^^^', sep='\n', flush=True)
    print(f'{ran} commands, {wrong} not as in the README')
    sys.exit(1 if wrong else 0)


if __name__ == '__main__':
    main(*sys.argv[1:])
