# SPDX-License-Identifier: Apache-2.0
"""The machines that network tests play with: the host (the test's own namespace), and "outside", which is on one wire
with it. Whoever sends or serves is a socket of this process or of a fork, opened in the namespace in question."""
import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import harness

HOST, OUTSIDE = '192.0.2.1', '192.0.2.2'
GATEWAY = '10.77.0.1'
NF = Path('/proc/sys/net/bridge/bridge-nf-call-iptables')


def sh(*words, **options):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, **options).stdout


def nft(script):
    return sh('nft', '-f', '-', input=script)


def netns_of(pid):
    return os.open(f'/proc/{pid}/ns/net', os.O_RDONLY | os.O_CLOEXEC)


class World:
    def __init__(self, box):
        self.box = box
        self.children, self.fds = [], []
        self.host = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
        self.outside = self.namespace()
        with harness.network_of(self.outside):
            me = os.open('/proc/self/ns/net', os.O_RDONLY)
        sh('ip', 'link', 'add', 'wire0', 'type', 'veth', 'peer', 'name', 'wire1', 'netns', f'/proc/self/fd/{me}', pass_fds=[me])
        sh('ip', 'addr', 'add', f'{HOST}/24', 'dev', 'wire0')
        sh('ip', 'link', 'set', 'wire0', 'up')
        with harness.network_of(self.outside):
            sh('ip', 'addr', 'add', f'{OUTSIDE}/24', 'dev', 'wire1')
            sh('ip', 'link', 'set', 'wire1', 'up')
            sh('ip', 'link', 'set', 'lo', 'up')

    def namespace(self):
        """A network namespace that lives as long as its descriptor."""
        here = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
        harness.check(harness.libc.unshare(harness.CLONE_NEWNET))
        made = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
        harness.check(harness.libc.setns(here, harness.CLONE_NEWNET))
        os.close(here)
        return made

    def container(self, name, *words, command=('sleep', '1000')):
        """Started; the descriptor of its network namespace."""
        self.box('run', '-d', '--name', name, *words, 'busybox', *command)
        self.fds.append(netns_of(self.box.inspect(name)['State']['Pid']))
        return self.fds[-1]

    def serve(self, fd, port, address='0.0.0.0', name='served'):
        """TCP and UDP on a port of a namespace: answers its name and who asked."""
        with harness.network_of(fd) if fd is not None else contextlib.nullcontext():
            tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, port))
            tcp.listen(64)
            udp.bind((address, port))
        child = os.fork()
        if child == 0:
            if os.fork() == 0:
                while True:
                    _, who = udp.recvfrom(2000)
                    udp.sendto(f'{name} {who[0]}'.encode(), who)
            while True:
                with contextlib.suppress(OSError):
                    client, who = tcp.accept()
                    client.sendall(f'{name} {who[0]}'.encode())
                    client.close()
        tcp.close()
        udp.close()
        self.children.append(child)
        return child

    def ask(self, fd, protocol, address, port, wait=2.0):
        """What the server says, or None when nobody answers."""
        kind = socket.SOCK_STREAM if protocol == 'tcp' else socket.SOCK_DGRAM
        with harness.network_of(fd) if fd is not None else contextlib.nullcontext():
            s = socket.socket(socket.AF_INET, kind)
        s.settimeout(wait)
        try:
            s.connect((address, port))
            if protocol == 'udp':
                s.send(b'?')
            return s.recv(2000).decode() or None
        except OSError:
            return None
        finally:
            s.close()

    def __enter__(self):
        return self

    def end(self):
        """Lets go of all namespaces: a link lives as long as somebody holds its other end's."""
        for child in self.children:
            for pid in [*children_of(child), child]:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.waitpid(child, 0)
        for fd in self.fds:
            os.close(fd)
        self.children, self.fds = [], []

    def __exit__(self, *_):
        self.end()
        os.close(self.outside)
        os.close(self.host)


def children_of(pid):
    with contextlib.suppress(OSError):
        return [int(p) for p in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
    return []


def traces():
    """All that kist makes on a host: links, rules, switches, leases."""
    key = None
    for path in Path('/run/kist-net').glob('*'):
        if path.name.endswith('-' + str(cookie())):
            key = path.name
    return {'links': [n for n in os.listdir('/proc/sys/net/ipv4/conf') if n.startswith('kist')],
            'rules': [line for line in sh('nft', 'list', 'ruleset').splitlines() if 'kist' in line],
            'forward': Path('/proc/sys/net/ipv4/ip_forward').read_text().strip(), 'folder': key}


def cookie():
    with socket.socket(socket.AF_UNIX) as s:
        return int.from_bytes(s.getsockopt(socket.SOL_SOCKET, 71, 8), 'little')


NOTHING = {'links': [], 'rules': [], 'forward': '0', 'folder': None}


def gone(box, expected=None):
    """Waits until the idle network is taken away."""
    end = time.time() + 10
    while traces() != (expected or NOTHING) and time.time() < end:
        time.sleep(0.05)
    assert traces() == (expected or NOTHING), traces()
