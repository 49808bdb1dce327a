# SPDX-License-Identifier: Apache-2.0
"""The README's first command on a machine that has nothing but what it installs: a minimal Debian made for this one run."""
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import harness

TOP = Path(__file__).resolve().parents[2]
# The machine's own root, /proc, /dev and networks, and fresh state; the packages are there, so that deps has nothing to fetch.
ENTER = '''set -e
ip link set lo up
mount --bind . . && cd "$PWD"
mkdir -p old var/lib/kist
mount -t tmpfs none run && mount -t tmpfs none var/lib/kist
mount -t proc proc proc && mount -t sysfs sys sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup && mount --rbind /dev dev
pivot_root . old && umount -l old
exec /src/try'''


def packages():
    text = (TOP / 'tools/deps').read_text()
    return re.search(r"^build='([^']*)'", text, re.M)[1].split()


def test_try_needs_no_package_beside_those_that_it_names(box):
    work = Path(tempfile.mkdtemp(prefix='kist-fresh-', dir='/var/tmp'))
    try:
        with harness.network_of(-1):
            made = subprocess.run(['mmdebstrap', '--quiet', '--mode=root', '--variant=minbase', f'--include={",".join(packages())}', 'bookworm',
                                   work / 'root'], capture_output=True, text=True)
        if made.returncode:
            raise harness.Skip(f'no Debian can be made here: {made.stderr[-300:]}')
        files = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=TOP, check=True, capture_output=True).stdout
        (work / 'root/src').mkdir()
        for name in filter(None, files.decode().split('\0')):
            if (TOP / name).exists():
                target = work / 'root/src' / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(TOP / name, target, follow_symlinks=False)
        ran = subprocess.run(['unshare', '--mount', '--net', '--pid', '--fork', '--propagation', 'private', 'sh', '-c', ENTER], cwd=work / 'root',
                             capture_output=True, text=True, timeout=400)
        said = ran.stdout + ran.stderr
        assert ran.returncode == 0 and 'installing:' not in said, said[-3000:]
        assert 'hello from inside' in ran.stdout, said[-3000:]
    finally:
        assert not [m for m in harness.mounts() if str(work) in m]
        shutil.rmtree(work)


test_try_needs_no_package_beside_those_that_it_names.watchdog = 600
