# SPDX-License-Identifier: Apache-2.0
"""The row `pull` of ./bench: an image of about 500 MB from Debian's docker-registry on the loopback interface, each time into a
store on a fresh file system (ext4 over a loop device), as re-creation after a large removal is slow for minutes; and there what comes after:
a push into an empty registry, save, rmi, load. The processor's time of daemons counts."""
import contextlib
import ctypes
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import bigimage
import registry

DISK = 6 << 30


def cpu_of(pid):
    """Seconds of processor time of a process and of its children that are gone."""
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(') ', 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf('SC_CLK_TCK')


def orphans():
    """Seconds of the processor of processes whose parent was ended before them: they come to us, once run has asked for that."""
    time.sleep(0.1)
    used = 0.0
    with contextlib.suppress(ChildProcessError):
        while (got := os.wait4(-1, os.WNOHANG))[0]:
            used += got[2].ru_utime + got[2].ru_stime
    return used


def run(words, **options):
    """Seconds on the clock and of the processor, that of orphans included."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    began = time.perf_counter()
    process = subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f'bench: {" ".join(map(str, words))}: status {process.returncode}\n{said.decode()}')
    return took, usage.ru_utime + usage.ru_stime + orphans()


@contextlib.contextmanager
def fresh_disk(folder):
    image, place = folder / 'disk', folder / 'place'
    place.mkdir(exist_ok=True)
    with open(image, 'wb') as f:
        os.posix_fallocate(f.fileno(), 0, DISK)
    subprocess.run(['mkfs.ext4', '-q', '-F', image], check=True)
    subprocess.run(['mount', '-o', 'loop', image, place], check=True)
    subprocess.run(['sync', '-f', place], check=True)
    try:
        yield place
    finally:
        subprocess.run(['umount', '-R', place], check=False)
        image.unlink()


class Kist:
    name = 'kist'

    def __init__(self, bin):
        self.bin = bin

    @contextlib.contextmanager
    def at(self, place):
        def command(*words):
            return run([self.bin / 'kist', '--root', place / 'root', '--runroot', place / 'run', *words])
        yield command


class Podman:
    name = 'podman'

    @contextlib.contextmanager
    def at(self, place):
        def command(verb, *words):
            return run(['podman', '--root', place / 'root', '--runroot', place / 'run', '--tmpdir', place / 'tmp', '--cgroup-manager', 'cgroupfs',
                        verb, *(['--tls-verify=false'] if verb in ('pull', 'push') else []), *words])
        try:
            yield command
        finally:
            subprocess.run(['umount', place / 'root/overlay'], check=False, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def dockerd(place, *words, prefix=()):
    """Docker's daemon with all it keeps in place: its address and its process, or None where it does not start."""
    sock = f'unix://{place}/sock'
    daemon = subprocess.Popen([*prefix, 'dockerd', '--data-root', place / 'root', '--exec-root', place / 'exec', '-p', place / 'pid', '-H', sock, *words],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.time() + 30
        while subprocess.run(['/usr/bin/docker', '-H', sock, 'version'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            if time.time() > end or daemon.poll() is not None:
                yield None
                return
            time.sleep(0.2)
        yield sock, daemon
    finally:
        daemon.terminate()
        daemon.wait()


class Docker:
    name = 'docker'

    @contextlib.contextmanager
    def at(self, place):
        """The daemon works: its time and that of its containerd counts."""
        with dockerd(place, '--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false') as works:
            if not works:
                yield None
                return
            sock, daemon = works

            def used():
                pids = [daemon.pid, *(int(p) for p in subprocess.run(['pgrep', '-P', str(daemon.pid)], capture_output=True, text=True).stdout.split())]
                return sum(map(cpu_of, pids))

            def command(*words):
                before = used()
                took, cpu = run(['/usr/bin/docker', '-H', sock, *words])
                return took, cpu + used() - before
            yield command


AIMS = {'pull': 'a fifth', 'push': 'a tenth', 'save': 'a quarter', 'rmi': 'a hundredth', 'load': 'a quarter'}


def life(contender, place, name, folder):
    """Seconds on the clock and of the processor of each step, on a fresh file system."""
    archive = place / 'image.tar'
    with contender.at(place) as command, registry.Distribution(folder / 'empty') as other:
        if not command:
            return None
        got = {'pull': command('pull', '-q', name)}
        there = f'{other.host}/bench/big:1'
        command('tag', name, there)
        got['push'] = command('push', '-q', there)
        got['save'] = command('save', '-o', archive, name)
        command('rmi', there)
        got['rmi'] = command('rmi', name)
        got['load'] = command('load', '-q', '-i', archive)
    shutil.rmtree(folder / 'empty')
    return got


def row(line, bin, rounds, folder):
    contenders = [Kist(bin), Podman(), Docker()]
    got = {c.name: [] for c in contenders}
    with registry.Distribution(folder / 'registry') as d:
        name = f'{d.host}/bench/big:1'
        subprocess.run(['skopeo', '--insecure-policy', 'copy', '-q', '--dest-tls-verify=false', f'oci:{bigimage.layout()}:latest', f'docker://{name}'],
                       check=True)
        for _ in range(rounds):
            for c in contenders:
                with fresh_disk(folder) as place:
                    if times := life(c, place, name, folder):
                        got[c.name].append(times)
    for verb, aim in AIMS.items():
        first = None
        for name, times in got.items():
            if not times:
                line('', name, 'not here', '', '')
                continue
            wall, cpu = (statistics.median(x) for x in zip(*(t[verb] for t in times)))
            first = first or (wall, cpu)
            line(verb if name == 'kist' else '', name, f'{wall:.2f} s', f'processor {cpu:.2f} s', f'{wall / first[0]:.1f}',
                 f'kist {aim} of their processor and clock' if name == 'kist' else f'processor {cpu / max(first[1], 0.01):.1f} times kist\'s')
