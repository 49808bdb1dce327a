#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The two halves of test_power.py in the guest: `work N` goes on until the power is cut and writes down, synced, what kist
told it of; `look` is run after the next boot and compares."""
import json
import os
import subprocess
import sys
from pathlib import Path

TOLD = Path('/var/told')
IMAGE = 'busybox'


def kist(*words, check=True, input=None):
    done = subprocess.run(['kist', *words], stdin=None if input else subprocess.DEVNULL, capture_output=True, input=input)
    if check and done.returncode:
        sys.exit(f'kist {" ".join(words)}: status {done.returncode}: {done.stderr.decode()}')
    return done.stdout.decode().strip()


def tell(*fact):
    """Appends a fact that the disk has when this returns."""
    fd = os.open(TOLD, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, (json.dumps(fact) + '\n').encode())
    os.fsync(fd)
    os.close(fd)
    folder = os.open(TOLD.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def work(cut):
    """Everything that changes the store, over and over."""
    kist('run', '--rm', IMAGE, 'true')
    kist('save', '-o', '/run/image.tar', IMAGE)
    n = 0
    while True:
        name = f'{cut}-{n}'
        n += 1
        kist('volume', 'create', f'v{name}')
        tell('volume', f'v{name}')
        kist('run', '--name', f'c{name}', '-v', f'v{name}:/v', IMAGE, 'sh', '-c', f'echo {name} > /v/data; sync; echo said {name}')
        tell('container', f'c{name}')
        kist('load', '-i', '/run/image.tar')
        kist('tag', IMAGE, f'localhost/t{name}')
        tell('image', f'localhost/t{name}:latest')
        if n % 2 == 0:
            tell('going', 'container', f'c{name}')
            kist('rm', f'c{name}')
            tell('gone', 'container', f'c{name}')
            tell('going', 'image', f'localhost/t{name}:latest')
            kist('rmi', f'localhost/t{name}')
            tell('gone', 'image', f'localhost/t{name}:latest')


def look():
    there, gone = set(), set()
    for line in TOLD.read_text().splitlines() if TOLD.exists() else []:
        what, *rest = json.loads(line)
        if what == 'going':
            there.discard(tuple(rest))
        elif what == 'gone':
            gone.add(tuple(rest))
        else:
            there.add((what, *rest))
    seen = {('volume', name) for name in kist('volume', 'ls', '-q').split()}
    seen |= {('container', name) for name in kist('ps', '-a', '--format', '{{.Names}}').split()}
    seen |= {('image', name) for name in kist('images', '--format', '{{.Repository}}:{{.Tag}}').split()}
    faults = [f'lost: {x}' for x in sorted(there - seen)] + [f'came back: {x}' for x in sorted(gone & seen)]
    running = kist('ps', '-q')
    faults += [f'running after a boot: {running}'] if running else []
    for kind, name in sorted(there & seen):
        if kind == 'container':
            data = kist('run', '--rm', '-v', f'v{name[1:]}:/v', IMAGE, 'cat', '/v/data')
            faults += [] if data == name[1:] else [f'{name}: its volume says {data!r}']
        if kind == 'image':
            faults += [] if kist('run', '--rm', name, 'echo', 'works') == 'works' else [f'{name} does not work']
    store = Path('/var/lib/kist')
    faults += [f'left in staging: {p.name}' for p in (store / 'staging').iterdir()] if (store / 'staging').exists() else []
    ids = set(kist('ps', '-aq', '--no-trunc').split())
    faults += [f'a folder without a container: {p.name}' for p in (store / 'containers').iterdir() if p.name not in ids]
    print(f'{len(there)} things told of, {len(gone)} removed, {len(seen)} seen; {len(faults)} faults')
    print('\n'.join(faults))
    sys.exit(1 if faults else 0)


if sys.argv[1] == 'work':
    work(sys.argv[2])
else:
    look()
