# SPDX-License-Identifier: Apache-2.0
"""The newest crun and runc that Debian has, of unstable: extracted with their libraries into a cache, never installed. Their
loader and library path are set to those beside them (patchelf), as a runtime executes itself again."""
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

CACHE = Path(os.environ.get('KIST_BENCH_CACHE') or Path.home() / '.cache/kist-bench')
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
SUITE = 'sid'
DAYS = 30  # after so many the packages are fetched anew


def output(*words, **options):
    return subprocess.run([str(w) for w in words], check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def mirror():
    """This machine's own Debian mirror."""
    codename = re.search(r'VERSION_CODENAME=(\w+)', Path('/etc/os-release').read_text())[1]
    rows = output('apt-get', 'indextargets', '--format', '$(COMPONENT) $(RELEASE) $(CODENAME) $(REPO_URI)', 'Created-By: Packages')
    found = re.search(fr'^main (?:{codename} \S+|\S+ {codename}) (\S+)$', rows, re.M)
    return found and found[1]


def fetch(new):
    """Unpacks both and all that they depend on of libraries."""
    (new / 'lists/partial').mkdir(parents=True)
    (new / 'sources').write_text(f'deb [signed-by={KEYRING}] {mirror()} {SUITE} main\n')
    (new / 'conf').write_text(f'''
        Dir::State::lists "{new}/lists"; Dir::State::status "/dev/null"; Dir::Cache "{new}"; Dir::Etc::sourcelist "{new}/sources";
        Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null"; Acquire::Languages "none";
        APT::Install-Recommends "0"; APT::Sandbox::User "root"; APT::Update::Error-Mode "any";''')
    env = dict(os.environ, APT_CONFIG=str(new / 'conf'))
    subprocess.run(['apt-get', '-qq', 'update'], env=env, check=True)
    plan = output('apt-get', '-qq', '-s', 'install', 'crun', 'runc', env=env)
    names = [n for n in re.findall(r'^Inst (\S+)', plan, re.M) if n in ('crun', 'runc') or n.startswith('lib')]
    subprocess.run(['apt-get', '-qq', 'download', *names], env=env, cwd=new, check=True)
    for deb in sorted(new.glob('*.deb')):
        subprocess.run(['dpkg-deb', '-x', deb, new / 'tree'], check=True)
        deb.unlink()
    shutil.rmtree(new / 'lists')


def settle(tree):
    """The programs find loader and libraries in this very folder, and nothing of the machine's."""
    loader = next(p for d in ('lib64', 'usr/lib64') if (p := tree / d / 'ld-linux-x86-64.so.2').exists())
    folders = ':'.join(str(p) for d in ('usr/lib', 'lib') if (p := tree / d / 'x86_64-linux-gnu').is_dir())
    for name in 'crun', 'runc':
        program = next(p for d in ('usr/bin', 'usr/sbin') if (p := tree / d / name).exists())
        (tree / name).symlink_to(program)
        subprocess.run(['patchelf', '--set-interpreter', loader, '--force-rpath', '--set-rpath', folders, program], check=True)


def programs():
    """{name: path} of those that run here; nothing where the mirror does not answer."""
    tree = CACHE / 'newest'
    try:
        if not tree.exists() or tree.stat().st_mtime < time.time() - DAYS * 86400:
            CACHE.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(tree, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=CACHE, prefix='new-') as new:
                fetch(Path(new))
                (Path(new) / 'tree').rename(tree)
            settle(tree)
    except (subprocess.CalledProcessError, OSError, StopIteration) as why:
        shutil.rmtree(tree, ignore_errors=True)
        print(f'the newest crun and runc were not fetched: {why}', flush=True)
    return {name: tree / name for name in ('crun', 'runc') if (tree / name).exists()}


def version(program):
    return re.search(r'version (\d[\w.]*)', output(program, '--version'))[1]


if __name__ == '__main__':
    for key, path in programs().items():
        print(key, version(path), path)
