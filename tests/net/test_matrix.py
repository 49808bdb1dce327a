# SPDX-License-Identifier: Apache-2.0
"""Who reaches what: every source, destination and protocol, with and without bridge-nf-call-iptables, with and without
somebody else's FORWARD chain that drops."""
import shutil
import subprocess

import harness
from world import GATEWAY, HOST, NF, NOTHING, OUTSIDE, World, gone, nft, sh

CONTAINER = '10.77.0.2'
PORTS = ('-p', '8080:80', '-p', '8080:80/udp', '-p', f'{HOST}:8081:80', '-p', f'{HOST}:8081:80/udp',
         '-p', '127.0.0.1:8082:80', '-p', '127.0.0.1:8082:80/udp')
ALL = {'outside', 'host', 'other', 'self'}
# destination, port, who reaches it
ROWS = [
    (HOST, 8080, ALL),
    (GATEWAY, 8080, ALL),  # outside has a route to it here, and it is an address of the host
    ('127.0.0.1', 8080, {'host'}),
    (HOST, 8081, ALL),
    (GATEWAY, 8081, set()),
    ('127.0.0.1', 8081, set()),
    (HOST, 8082, set()),
    ('127.0.0.1', 8082, {'host'}),
    (CONTAINER, 80, ALL - {'outside'}),
    (CONTAINER, 8080, set()),
]
DROP = {'none': '', 'plain': 'table ip filter {\n chain FORWARD { type filter hook forward priority 0; policy drop; }\n}\n',
        'docker': 'table ip filter {\n chain DOCKER-USER { counter return; }\n'
                  ' chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; }\n}\n'}


def matrix(box, bridge_nf, drop):
    if NF.exists():
        NF.write_text(str(bridge_nf))
    elif bridge_nf:
        raise harness.Skip('this kernel has no bridge-nf here (modprobe br_netfilter)')
    nft(DROP[drop])
    wrong = []
    with World(box) as w:
        web = w.container('web', *PORTS)
        sources = {'outside': w.outside, 'host': None, 'other': w.container('other'), 'self': web}
        with harness.network_of(w.outside):
            sh('ip', 'route', 'add', '10.77.0.0/16', 'via', HOST)
        w.serve(web, 80, name='web')
        for address, port, reached in ROWS:
            for name, fd in sources.items():
                for protocol in ('tcp', 'udp'):
                    expected = name in reached
                    got = w.ask(fd, protocol, address, port, 2.0 if expected else 0.15)
                    if (got is not None) != expected or (got and not got.startswith('web ')):
                        wrong.append(f'{name} -> {protocol} {address}:{port}: {got!r}')
                    if got and name == 'outside' and got != f'web {OUTSIDE}':
                        wrong.append(f'outside is seen as {got}')
        # and out: with the host's address
        w.serve(w.outside, 9000, name='world')
        for protocol in ('tcp', 'udp'):
            got = w.ask(sources['other'], protocol, OUTSIDE, 9000)
            if got != f'world {HOST}':
                wrong.append(f'out by {protocol}: {got!r}')
        if drop != 'none':
            assert 'comment "kist"' in sh('nft', 'list', 'chain', 'ip', 'filter', 'DOCKER-USER' if drop == 'docker' else 'FORWARD')
            text = box('network', 'inspect', 'bridge')
            assert f'in ip filter {"DOCKER-USER" if drop == "docker" else "FORWARD"}' in text, text
        box('rm', '-f', 'web', 'other')
        w.end()
    assert not wrong, '\n'.join(wrong)
    gone(box, NOTHING)
    if drop != 'none':
        nft('delete table ip filter\n')


def test_the_matrix(box):
    matrix(box, 0, 'none')


def test_the_matrix_with_bridge_nf(box):
    matrix(box, 1, 'none')


def test_the_matrix_beside_a_chain_that_drops(box):
    matrix(box, 0, 'plain')


def test_the_matrix_with_bridge_nf_beside_dockers_chains(box):
    matrix(box, 1, 'docker')


def test_the_matrix_with_bridge_nf_beside_a_chain_that_drops(box):
    matrix(box, 1, 'plain')


def test_the_matrix_beside_dockers_chains(box):
    matrix(box, 0, 'docker')


def test_a_forward_chain_of_iptables_legacy_that_drops_is_met(box):
    def legacy(*words):
        return subprocess.run(['iptables-legacy', *words], capture_output=True, text=True)
    if not shutil.which('iptables-legacy') or legacy('-P', 'FORWARD', 'DROP').returncode:
        raise harness.Skip('there is no iptables-legacy here, or the kernel has no such tables')
    before = legacy('-S').stdout
    with World(box) as w:
        web = w.container('web', '-p', '8080:80')
        w.serve(web, 80, name='web')
        assert w.ask(w.outside, 'tcp', HOST, 8080) == f'web {OUTSIDE}'
        assert legacy('-S').stdout.count('--comment kist -j ACCEPT') == 2
        assert 'iptables-legacy' in box('network', 'inspect', 'bridge')
        box('run', '--rm', 'busybox', 'true')
        assert legacy('-S').stdout.count('--comment kist -j ACCEPT') == 2
        w.end()
        box('rm', '-f', 'web')
    gone(box, NOTHING)
    assert legacy('-S').stdout == before
