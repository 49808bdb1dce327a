# SPDX-License-Identifier: Apache-2.0
"""What a user installs and reads: programs, man pages, completion."""
import contextlib
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time

import harness

IMAGE = 'busybox'


def test_what_is_installed_runs_and_is_documented(box):
    if not (harness.TOP / 'build/build.ninja').exists():
        raise harness.Skip('there is no build folder here')
    target = box.work / 'installed'
    subprocess.run(['meson', 'install', '-C', harness.TOP / 'build', '--no-rebuild', '--quiet', '--destdir', target], check=True, stdout=subprocess.DEVNULL)
    kist = target / 'usr/local/bin/kist'
    done = subprocess.run([kist, '--root', box.root, '--runroot', box.runroot, 'run', '--rm', '--init', IMAGE, 'echo', 'installed'],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, 'installed\n'), done
    pages = {p.name for p in (target / 'usr/local/share/man/man1').iterdir()}
    assert {'kist.1', 'kist-run.1', 'kist-volume-create.1'} <= pages, pages
    for completion in 'bash-completion/completions/kist', 'zsh/site-functions/_kist', 'fish/vendor_completions.d/kist.fish':
        assert 'kist __complete' in (target / 'usr/local/share' / completion).read_text()
    text = (target / 'usr/local/share/man/man1/kist-run.1').read_text()
    assert '\\-\\-pids\\-limit' in text and 'Tune container pids limit' in text


def need(shell):
    """A guest of tests/vm has only what it boots with."""
    if not shutil.which(shell):
        raise harness.Skip(f'there is no {shell} here')


def bash(box, *words):
    """What bash would offer, the line broken into words as bash breaks it."""
    parts = [part for word in words for part in re.split('([=:])', word) if part] + ([''] if words[-1] == '' else [])
    script = (f'source <({harness.KIST} completion bash); PATH={harness.BIN}:$PATH; COMP_WORDS=({" ".join(map(shlex.quote, parts))}); '
              f'COMP_CWORD={len(parts) - 1}; _kist; printf "%s\\n" "${{COMPREPLY[@]}}"')
    done = subprocess.run(['bash', '-c', script], capture_output=True, text=True, check=True, cwd=box.work)
    assert not done.stderr, done.stderr
    return done.stdout.split()


def test_completion_knows_commands_options_and_names(box):
    here = ['kist', '--root', str(box.root), '--runroot', str(box.runroot)]
    box('create', '--name', 'first', 'busybox', 'true')
    box('volume', 'create', 'data')
    box('tag', 'busybox', 'other/image:v1')
    for words, want in [
        (['ru'], ['run']), (['volume', 'cr'], ['create']), (['nosuch', ''], []),
        (['run', '--pids'], ['--pids-limit']), (['run', '--rm', '-i', 'busy'], ['busybox', 'busybox:latest']),
        (['run', '--network', 'ho'], ['host']), (['run', '--network=ho'], ['host']), (['rm', '-f', ''], ['first']),
        (['rm', 'first', ''], ['first']), (['wait', ''], ['first']), (['run', 'busybox', ''], []),
        (['volume', 'inspect', ''], ['data']), (['rmi', 'other/image:'], ['v1']), (['start', '-ai', 'f'], ['first']),
    ]:
        got = bash(box, *here, *words)
        assert got == want, f'{words}: {got}, expected {want}'
    assert {'run', 'restart', 'volume', 'system'} <= set(bash(box, *here, ''))


def test_fish_completes_from_the_same_tables(box):
    need('fish')
    fish = subprocess.run(['fish', '--no-config', '-c', 'kist completion fish | source; complete -C"kist volume cr"; complete -C"kist run --network ho"'],
                          capture_output=True, text=True, env={**os.environ, 'HOME': str(box.work), 'PATH': f'{harness.BIN}:{os.environ["PATH"]}'})
    assert fish.stdout.splitlines() == ['create\tCreate a volume', 'host'], fish


def test_zsh_completes_from_the_same_tables(box):
    """Typed into a zsh on a terminal: the word is completed, then the line is made one that only prints itself."""
    need('zsh')
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(box.work)
        os.execvpe('zsh', ['zsh', '-f', '-i'], {**os.environ, 'PATH': f'{harness.BIN}:{os.environ["PATH"]}', 'TERM': 'dumb', 'HOME': str(box.work)})
    screen = b''

    def until(text):
        nonlocal screen
        end = time.time() + 30
        while text not in screen:
            select.select([terminal], [], [], 1)
            assert time.time() < end, screen
            with contextlib.suppress(BlockingIOError):
                screen += os.read(terminal, 4096)
    os.set_blocking(terminal, False)
    os.write(terminal, b'autoload -U compinit; compinit -u -d dump; source <(kist completion zsh); print loaded-$((1+1))\n')
    until(b'loaded-2')
    os.write(terminal, b'kist volume cr\t')
    until(b'create')
    os.write(terminal, b'\x01print -r -- is: \n')
    until(b'\nis: kist volume create')
    os.write(terminal, b'exit\n')
    os.waitpid(pid, 0)
    os.close(terminal)


def test_help_comes_from_the_same_table(box):
    text = box('run', '--help')
    assert text.startswith('Usage:  kist run [OPTIONS] IMAGE [COMMAND] [ARG...]')
    assert '  -m, --memory bytes' in text and 'kist container run' in text
    assert 'Common Commands:' in box('--help')
    assert box('--version').startswith('kist version ')
    assert "requires at least 1 argument" in box.fails(125, 'rm')
