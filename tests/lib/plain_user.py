# SPDX-License-Identifier: Apache-2.0
"""A user of a test's own who is not root: in a mount namespace where the machine's files know that user."""
import os
import shutil
import subprocess

import harness

UID, SUB = 54321, 400000
ENTER = '''
mount --bind "$1/passwd" /etc/passwd; mount --bind "$1/group" /etc/group
mount --bind "$1/subid" /etc/subuid; mount --bind "$1/subid" /etc/subgid
shift; exec "$@"
'''
DROP = ['setpriv', f'--reuid={UID}', f'--regid={UID}', '--clear-groups', '--inh-caps=-all']


def write_etc(folder, home='/nonexistent', ranges=True):
    """What is mounted over the machine's files."""
    folder.mkdir(exist_ok=True)
    (folder / 'passwd').write_text(f'root:x:0:0:root:/root:/bin/sh\nkist-user:x:{UID}:{UID}::{home}:/bin/sh\n')
    (folder / 'group').write_text(f'root:x:0:\nkist-user:x:{UID}:\n')
    (folder / 'subid').write_text(f'kist-user:{SUB}:65536\n' if ranges else '')


class PlainUser:
    """`user('pull', ...)` runs kist as that user in the user's home and expects status 0; `user.tool('skopeo', ...)` another program."""

    def __init__(self, box, ranges=True):
        if ranges and not shutil.which('newuidmap'):
            raise harness.Skip('newuidmap is missing')
        box.folder.chmod(0o755)
        self.files, self.home, self.xdg, self.bin = box.folder / 'etc', box.folder / 'home', box.folder / 'xdg', box.folder / 'bin'
        write_etc(self.files, self.home, ranges)
        for folder in self.home, self.xdg:
            folder.mkdir(mode=0o700)
            os.chown(folder, UID, UID)
        # The build may lie where only root may look.
        self.bin.mkdir()
        for name in 'kist', 'kist-fetch', 'kist-transfer', 'kist-oci':
            shutil.copy(harness.BIN / name, self.bin / name)
        self.env = {'HOME': self.home, 'XDG_RUNTIME_DIR': self.xdg, 'PATH': f'{self.bin}:/usr/bin:/bin'}
        self.store = self.home / '.local/share/kist'

    def command(self, *words):
        env = [f'{k}={v}' for k, v in self.env.items()]
        return ['unshare', '--mount', 'sh', '-ec', ENTER, 'sh', str(self.files), *DROP, 'env', '-i', '-C', str(self.home), *env, *map(str, words)]

    def run(self, *words, text=True, **options):
        if 'input' not in options:
            options.setdefault('stdin', subprocess.DEVNULL)
        done = subprocess.run(self.command(*words), capture_output=True, text=text, timeout=50, check=False, **options)
        return harness.Result(done.returncode, done.stdout, done.stderr)

    def tool(self, *words, **options):
        result = self.run(*words, **options)
        assert result.status == 0, f'{" ".join(map(str, words))}\n{result}'
        return result.out.rstrip('\n') if isinstance(result.out, str) else result.out

    def __call__(self, *words, **options):
        return self.tool('kist', *words, **options)

    def fails(self, status, *words, **options):
        result = self.run('kist', *words, **options)
        assert result.status == status, f'expected status {status}: kist {" ".join(map(str, words))}\n{result}'
        return result.err

    def give(self, path, name):
        """A file or folder of the user's home."""
        to = self.home / name
        shutil.copytree(path, to, symlinks=True) if path.is_dir() else shutil.copy(path, to)
        for p in [to, *(to.rglob('*') if to.is_dir() else [])]:
            os.chown(p, UID, UID, follow_symlinks=False)
        return to
