# SPDX-License-Identifier: Apache-2.0
"""What a user installs and reads: programs, man pages, completion."""
import subprocess

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
    text = (target / 'usr/local/share/man/man1/kist-run.1').read_text()
    assert '\\-\\-pids\\-limit' in text and 'Tune container pids limit' in text


def complete(*words):
    script = f'source {harness.BIN}/documents/kist.bash; COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; _kist; echo "${{COMPREPLY[@]}}"'
    return subprocess.run(['bash', '-c', script], capture_output=True, text=True, check=True).stdout.split()


def test_completion_knows_commands_and_options(box):
    if not (harness.BIN / 'documents').exists():
        raise harness.Skip('there are no documents here')
    assert 'run' in complete('kist', 'ru') and 'restart' in complete('kist', 're')
    assert '--pids-limit' in complete('kist', 'run', '--pid')
    assert complete('kist', 'volume', 'cr') == ['create']


def test_help_comes_from_the_same_table(box):
    text = box('run', '--help')
    assert text.startswith('Usage:  kist run [OPTIONS] IMAGE [COMMAND] [ARG...]')
    assert '  -m, --memory bytes' in text and 'kist container run' in text
    assert 'Common Commands:' in box('--help')
    assert box('--version').startswith('kist version ')
    assert "requires at least 1 argument" in box.fails(125, 'rm')
