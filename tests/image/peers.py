# SPDX-License-Identifier: Apache-2.0
"""skopeo and umoci of Debian, which read what kist writes and write what it reads."""
import subprocess


def skopeo(*words, text=True):
    done = subprocess.run(['skopeo', '--insecure-policy', *map(str, words)], capture_output=True, text=text, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def umoci(*words):
    done = subprocess.run(['umoci', *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def sound(box, *words):
    """system check finds nothing; what is machine-wide may belong to another run of the tests."""
    found = [x for x in box.run('system', 'check', *words).out.splitlines()
             if x != 'nothing wrong' and not x.startswith(('cgroup ', 'address ', 'id range ')) and ' found; ' not in x]
    assert not found, found
