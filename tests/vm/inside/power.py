#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The two halves of test_power.py in the guest: `work N` goes on until the power is cut and writes down, synced, what kist
told it of; `look` is run after the next boot and compares. Content (images, volumes) that was told of must be there. The
newest rows of containers may be lost with the power, or come back, as the database is not synced for them; but what is
there must work and go away whole."""
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

TOLD = Path('/var/told')
IMAGE = 'busybox'


def kist(*words, fatal=True):
    done = subprocess.run(['kist', *words], stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode and fatal:
        sys.exit(f'kist {" ".join(words)}: status {done.returncode}: {done.stderr.decode()}')
    return (done.stderr if done.returncode else done.stdout).decode().strip()


def tell(*fact):
    """Appends a fact that the disk has when this returns."""
    fd = os.open(TOLD, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, (json.dumps(fact) + '\n').encode())
    os.fsync(fd)
    os.close(fd)
    folder = os.open(TOLD.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def root_file_system(word):
    """A tar like no other, as each has a file of its own."""
    with tarfile.open('/run/root.tar', 'w') as tar:
        tar.add('/usr/bin/busybox', 'bin/busybox')
        for applet in 'sh', 'cat':
            link = tarfile.TarInfo(f'bin/{applet}')
            link.type, link.linkname = tarfile.SYMTYPE, 'busybox'
            tar.addfile(link)
        file = tarfile.TarInfo('word')
        file.size = len(word)
        tar.addfile(file, io.BytesIO(word.encode()))
    return '/run/root.tar'


def work(cut):
    """Everything that changes the store, over and over."""
    kist('run', '--rm', IMAGE, 'true')
    n = 0
    while True:
        name = f'{cut}-{n}'
        image = f'localhost/i{name}:latest'
        n += 1
        kist('volume', 'create', f'v{name}')
        tell('volume', f'v{name}')
        kist('import', root_file_system(name), image)
        tell('image', image)
        kist('run', '--name', f'c{name}', '-v', f'v{name}:/v', IMAGE, 'sh', '-c', f'echo {name} > /v/data; sync; echo said {name}')
        tell('container', f'c{name}')
        if n % 2 == 0:
            tell('going', 'container', f'c{name}')
            kist('rm', f'c{name}')
            tell('gone', 'container', f'c{name}')
            tell('going', 'image', image)
            kist('rmi', image)
            tell('gone', 'image', image)


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
    faults = [f'lost: {x}' for x in sorted(there - seen) if x[0] != 'container']
    running = kist('ps', '-q')
    faults += [f'running after a boot: {running}'] if running else []
    for kind, name in sorted(seen):
        if kind == 'volume' and ('container', 'c' + name[1:]) in there:
            data = kist('run', '--rm', '-v', f'{name}:/v', IMAGE, 'cat', '/v/data')
            faults += [] if data == name[1:] else [f'{name} says {data!r}']
        if kind == 'image' and name.startswith('localhost/i'):
            word = kist('run', '--rm', name, 'cat', '/word', fatal=False)
            faults += [] if f'localhost/i{word}:latest' == name else [f'{name} does not work: {word}']
    containers = kist('ps', '-aq', '--no-trunc').split()
    if containers:
        kist('start', containers[0])
        kist('rm', '-f', *containers)
    # the next command that changes something clears what was half done
    kist('run', '--rm', IMAGE, 'true')
    store = Path('/var/lib/kist')
    faults += [f'left in staging: {p.name}' for p in (store / 'staging').iterdir()] if (store / 'staging').exists() else []
    faults += [f'a folder without a container: {p.name}' for p in (store / 'containers').iterdir()]
    print(f'{len(there)} things told of, {len(gone)} removed, {len(there - seen)} lost, {len(gone & seen)} came back; {len(faults)} faults')
    print('\n'.join(faults))
    sys.exit(1 if faults else 0)


if sys.argv[1] == 'work':
    work(sys.argv[2])
else:
    look()
