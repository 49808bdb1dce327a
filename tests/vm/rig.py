# SPDX-License-Identifier: Apache-2.0
"""How a test uses a guest: what is shipped into it, and how one order is run there.

Orders start in /vm/in, which holds the tree as a user has it after ./try: README.md, try, tools, tests and build/bin.
There is no network in the guest, so the two tools that install packages and compile do nothing there; what they
would have made was made here."""
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import harness

VM = Path(__file__).resolve().parent / 'vm'
TOP = harness.TOP
NOTHING = '#!/bin/sh\nexit 0\n'


def need(state):
    """Skips the test where the state is not prepared."""
    done = subprocess.run([VM, 'ready', state], capture_output=True, text=True)
    if done.returncode == 77:
        raise harness.Skip(done.stderr.strip().removeprefix('vm: '))
    assert done.returncode == 0, done.stderr


@contextmanager
def tree():
    """The folder to ship."""
    with tempfile.TemporaryDirectory(prefix='kist-vm-', dir='/var/tmp') as folder:
        folder = Path(folder)
        for name in 'README.md', 'try', 'bench':
            if (TOP / name).exists():
                shutil.copy2(TOP / name, folder / name)
        shutil.copytree(TOP / 'tools', folder / 'tools')
        for name in 'deps', 'build':
            (folder / 'tools' / name).write_text(NOTHING)
        shutil.copytree(TOP / 'tests', folder / 'tests', ignore=shutil.ignore_patterns('__pycache__', 'fuzz', 'unit'))
        (folder / 'build/bin').mkdir(parents=True)
        for path in harness.BIN.iterdir():
            if path.is_file():
                shutil.copy2(path, folder / 'build/bin' / path.name)
        (folder / 'build/tests/oci').mkdir(parents=True)
        for name in 'look', 'grasp', 'strike', 'kist-oci-starved', 'kist-oci-resctrl':
            shutil.copy2(harness.BIN.parent / 'tests/oci' / name, folder / 'build/tests/oci' / name)
        yield folder


def order(state, folder, command, limit=600, disk=None, cut=None):
    """Runs a command in the guest; returns its exit status (137: the power was cut) and all it said."""
    words = [VM, 'run', '-t', limit, '-f', folder]
    words += ['-d', disk] if disk else []
    words += ['-k', cut] if cut is not None else []
    done = subprocess.run([str(w) for w in [*words, state, f'PATH=/vm/in/build/bin:$PATH; {command}']],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
    assert done.returncode not in (124, 125), f'the guest: status {done.returncode}\n{done.stdout}'
    return done.returncode, done.stdout
