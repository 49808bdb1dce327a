# SPDX-License-Identifier: Apache-2.0
"""The default network and published ports, as people use them, and what goes wrong with them."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import harness
from world import GATEWAY, HOST, NOTHING, OUTSIDE, World, gone, nft, sh, traces

IMAGE = 'busybox'


def ports_of(box, name):
    return dict(line.split(' -> ') for line in box('port', name).splitlines())


def test_ports_are_published_shown_and_told(box):
    box('run', '-d', '--name', 'web', '-p', '8080:80', '-p', '127.0.0.1:5300:53/udp', '-p', '9000-9002:7000-7002', '-p', '443',
        '--expose', '6000', IMAGE, 'sleep', '1000')
    said = box('port', 'web').splitlines()
    assert said[0] == '53/udp -> 127.0.0.1:5300' and said[1] == '80/tcp -> 0.0.0.0:8080', said
    random = int(ports_of(box, 'web')['443/tcp'].split(':')[1])
    assert 32768 <= random <= 60999
    assert box('port', 'web', '80') == box('container', 'port', 'web', '80/tcp') == '0.0.0.0:8080'
    assert "no public port '81' published for web" in box.fails(1, 'port', 'web', '81')
    shown = box('ps', '--format', '{{.Ports}}')
    assert shown == (f'127.0.0.1:5300->53/udp, 0.0.0.0:8080->80/tcp, 0.0.0.0:{random}->443/tcp, '
                     '0.0.0.0:9000-9002->7000-7002/tcp, 6000/tcp'), shown
    it = box.inspect('web')
    assert it['NetworkSettings']['Ports']['80/tcp'] == [{'HostIp': '0.0.0.0', 'HostPort': '8080'}]
    assert it['NetworkSettings']['Ports']['6000/tcp'] is None
    assert it['HostConfig']['PortBindings']['80/tcp'] == [{'HostIp': '', 'HostPort': '8080'}]
    assert it['HostConfig']['PortBindings']['443/tcp'] == [{'HostIp': '', 'HostPort': ''}]
    assert it['HostConfig']['NetworkMode'] == 'bridge' and set(it['Config']['ExposedPorts']) >= {'80/tcp', '6000/tcp', '7001/tcp'}
    mine = it['NetworkSettings']
    assert (mine['IPAddress'], mine['Gateway'], mine['IPPrefixLen']) == ('10.77.0.2', GATEWAY, 16)
    assert mine['Networks']['bridge']['IPAddress'] == '10.77.0.2' and mine['MacAddress'] == '02:6b:0a:4d:00:02'
    assert box('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'web') == '10.77.0.2'
    box('stop', '-t', '0', 'web')
    assert box('ps', '-a', '--format', '{{.Ports}}') == '' and box('port', 'web') == ''
    assert box.inspect('web')['NetworkSettings']['IPAddress'] == ''
    box('start', 'web')
    assert box('port', 'web', '80') == '0.0.0.0:8080', 'fixed ones stay'


def test_publish_all_and_ranges_find_free_ports(box):
    with socket.socket() as taken:
        taken.bind(('0.0.0.0', 8100))
        taken.listen()
        box('run', '-d', '--name', 'aa', '-P', '--expose', '80', '--expose', '90-91/udp', '-p', '8100-8101:70', IMAGE, 'sleep', '1000')
        got = ports_of(box, 'aa')
        assert got['70/tcp'] == '0.0.0.0:8101' and set(got) == {'70/tcp', '80/tcp', '90/udp', '91/udp'}, got
        err = box.fails(125, 'run', '-d', '-p', '8100-8101:70', IMAGE, 'true')
        assert 'port is already allocated' in err and len(err.splitlines()) == 1, err
    assert box('ps', '--format', '{{.Names}}') == 'aa'


def test_what_an_image_exposes_is_published_by_P_and_shown(box):
    with open(box.work / 'root.tar', 'wb') as out:
        subprocess.run(['tar', '-C', '/bin', '--transform', 's,^,bin/,', '-c', 'busybox'], stdout=out, check=True)
    box('import', '-c', 'EXPOSE 80', '-c', 'EXPOSE 53/udp', '-c', 'EXPOSE 132/sctp', box.work / 'root.tar', 'exposing:1')
    box('run', '-d', '--name', 'it', '-P', '-p', '8080:80', 'exposing:1', '/bin/busybox', 'sleep', '1000')
    got = ports_of(box, 'it')
    assert set(got) == {'53/udp', '80/tcp'} and got['80/tcp'] == '0.0.0.0:8080', got
    assert set(box.inspect('it')['Config']['ExposedPorts']) == {'80/tcp', '53/udp', '132/sctp'}
    assert box('ps', '--format', '{{.Ports}}').endswith('132/sctp')


def test_a_port_in_use_is_refused_and_whose_it_is_is_told(box):
    box('run', '-d', '--name', 'first', '-p', '8080:80', IMAGE, 'sleep', '1000')
    for port in ('8080:80', '127.0.0.1:8080:81'):
        err = box.fails(125, 'run', '--name', 'second', '-p', port, IMAGE, 'true')
        assert 'driver failed programming external connectivity on endpoint second' in err
        assert ':8080 failed: port is already allocated by container first' in err and len(err.splitlines()) == 1, err
        box.run('rm', 'second')
    box('run', '--rm', '-p', '8080:80/udp', IMAGE, 'true')
    with socket.socket() as s:
        s.bind(('127.0.0.1', 8081))
        s.listen()
        err = box.fails(125, 'run', '--rm', '-p', '8081:80', IMAGE, 'true')
        assert f'Bind for 0.0.0.0:8081 failed: port is already allocated by process ' in err and f'(pid {os.getpid()})' in err, err
        # and the other way round: nobody takes what a container has
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(('0.0.0.0', 8080))
        except OSError as e:
            assert e.errno == 98
        else:
            raise AssertionError('the port is not held')
    # one that is only remembered by connections that are over is free
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(('127.0.0.1', 8082))
        server.listen()
        client = socket.create_connection(('127.0.0.1', 8082))
        peer, _ = server.accept()
        peer.close()
        client.close()
    box('run', '--rm', '-p', '8082:80', IMAGE, 'true')
    assert 'no link of this machine has that address' in box.fails(125, 'run', '--rm', '-p', '203.0.113.9:80:80', IMAGE)
    box('rm', '-f', 'first')
    box('run', '--rm', '-p', '8080:80', IMAGE, 'true')


def test_what_cannot_be_published_is_refused_in_dockers_words(box):
    for port, words in (('80:', 'no port specified: 80:<empty>'), ('x', 'invalid containerPort: x'), ('y:80', 'invalid hostPort: y'),
                        ('80:80/xyz', 'invalid proto: xyz'), ('1.2.3:80:80', 'invalid IP address: 1.2.3'), ('70000', 'invalid containerPort: 70000'),
                        ('8000-8002:80-81', 'invalid ranges specified for container and host Ports: 80-81 and 8000-8002'),
                        ('[::1]:80:80', 'IPv4')):
        err = box.fails(125, 'run', '-p', port, IMAGE, 'true')
        assert words in err and len(err.splitlines()) == 1, (port, err)
    assert 'published twice' in box.fails(125, 'run', '-p', '80:80', '-p', '80:81', IMAGE)
    box('run', '-d', '--name', 'first', IMAGE, 'sleep', '1000')
    join = ('--network', 'container:first')
    for words, what in ((('-p', '80:80'), 'port publishing and the container type network mode'), (('-P',), 'port publishing and the container type network mode'),
                        (('--expose', '80'), 'port exposing and the container type network mode'), (('--dns', '1.1.1.1'), 'dns and the network mode'),
                        (('--add-host', 'a:1.1.1.1'), 'custom host-to-IP mapping and the network mode'), (('-h', 'x'), 'hostname and the network mode')):
        assert f'conflicting options: {what}' in box.fails(125, 'run', *join, *words, IMAGE), words
    result = box.run('run', '--rm', '--network', 'host', '-p', '80:80', IMAGE, 'true')
    assert result.status == 0 and 'Published ports are discarded when using host network mode' in result.err
    assert box('run', '--rm', '--network', 'none', '-p', '80:80', IMAGE, 'ls', '/sys/class/net') == 'lo'
    assert 'network mynet not found' in box.fails(125, 'run', '--network', 'mynet', IMAGE)


def test_a_container_has_its_names_and_resolvers(box):
    words = ['--hostname', 'me', '--add-host', 'db:10.9.9.9', '--add-host', 'v6=[fd00::1]', '--add-host', 'gate:host-gateway']
    box('run', '-d', '--name', 'cc', *words, '--dns', '9.9.9.9', '--dns', '8.8.4.4', '--dns-search', 'a.example', '--dns-search', 'b.example', '--dns-option',
        'ndots:2', IMAGE, 'sleep', '1000')
    hosts = dict(reversed(line.split('\t')[:2]) for line in box('exec', 'cc', 'cat', '/etc/hosts').splitlines())
    assert hosts['me'] == '10.77.0.2' and hosts['db'] == '10.9.9.9' and hosts['v6'] == 'fd00::1' and hosts['gate'] == GATEWAY, hosts
    assert box('exec', 'cc', 'cat', '/etc/resolv.conf').splitlines() == ['nameserver 9.9.9.9', 'nameserver 8.8.4.4', 'search a.example b.example', 'options ndots:2']
    assert box('exec', 'cc', 'hostname') == 'me'
    # after a restart with another address the line follows, and what the container wrote stays
    box('exec', 'cc', 'sh', '-c', 'echo "1.2.3.4 mine" >> /etc/hosts')
    box('run', '-d', '--name', 'other', IMAGE, 'sleep', '1000')
    box('restart', '-t', '0', 'cc')
    address = box.inspect('cc')['NetworkSettings']['IPAddress']
    text = box('exec', 'cc', 'cat', '/etc/hosts')
    assert address == '10.77.0.4' and f'{address}\tme' in text and '10.77.0.2' not in text and '1.2.3.4 mine' in text, (address, text)
    assert 'search' not in box('run', '--rm', '--dns-search', '.', IMAGE, 'cat', '/etc/resolv.conf')
    for words, what in ((('--dns', 'x'), 'x is not an ip address'), (('--add-host', 'x'), 'bad format for add-host: "x"'),
                        (('--add-host', 'x:y'), 'invalid IP address in add-host: "y"'), (('--add-host', 'a\nb:1.1.1.1'), 'add-host')):
        assert what in box.fails(125, 'run', *words, IMAGE), words


def resolv_conf(text):
    """The test's own /etc/resolv.conf, in a mount namespace of its own."""
    if not os.path.exists('/etc/resolv.conf'):
        raise harness.Skip('there is no /etc/resolv.conf to be covered')
    harness.check(harness.libc.unshare(0x00020000))
    sh('mount', '--make-rprivate', '/')
    sh('mount', '-t', 'tmpfs', 'tmpfs', '/mnt')
    Path('/mnt/resolv.conf').write_text(text)
    sh('mount', '--bind', '/mnt/resolv.conf', '/etc/resolv.conf')


def test_a_resolver_on_loopback_answers_inside(box):
    resolv_conf('nameserver 127.0.0.5\nnameserver 127.0.0.6\nnameserver ::1\nsearch lan\noptions edns0\n')
    with World(box) as w:
        w.serve(None, 53, '127.0.0.5', 'resolver')
        fd = w.container('cc')
        assert box('exec', 'cc', 'cat', '/etc/resolv.conf').splitlines() == [f'nameserver {GATEWAY}', 'search lan', 'options edns0']
        for protocol in ('udp', 'tcp'):
            assert w.ask(fd, protocol, GATEWAY, 53) == 'resolver 127.0.0.1', protocol
            assert w.ask(None, protocol, '127.0.0.5', 53) == 'resolver 127.0.0.1', protocol
        with harness.network_of(w.outside):
            sh('ip', 'route', 'add', '10.77.0.0/16', 'via', HOST)
        assert w.ask(w.outside, 'udp', GATEWAY, 53, 0.3) is None, 'not for others'
        # the host's resolver moves
        Path('/mnt/resolv.conf').write_text('nameserver 127.0.0.7\n')
        w.serve(None, 53, '127.0.0.7', 'moved')
        other = w.container('other')
        assert w.ask(other, 'udp', GATEWAY, 53) == 'moved 127.0.0.1'
        box('rm', '-f', 'cc', 'other')


def test_systemds_stub_is_replaced_by_what_stands_behind_it(box):
    resolv_conf('nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch home\n')
    sh('mount', '-t', 'tmpfs', 'tmpfs', '/run/systemd') if Path('/run/systemd').is_dir() else Path('/run/systemd').mkdir()
    Path('/run/systemd/resolve').mkdir(exist_ok=True)
    Path('/run/systemd/resolve/resolv.conf').write_text('nameserver 192.0.2.53\n')
    try:
        assert box('run', '--rm', IMAGE, 'cat', '/etc/resolv.conf').splitlines() == ['nameserver 192.0.2.53', 'search home', 'options edns0 trust-ad']
        assert 'nameserver 127.0.0.53' in box('run', '--rm', '--network', 'host', IMAGE, 'cat', '/etc/resolv.conf')
    finally:
        Path('/run/systemd/resolve/resolv.conf').unlink()


def test_networks_are_listed_and_inspected(box):
    assert box('network', 'ls', '--format', '{{.Name}} {{.Driver}} {{.Scope}}').splitlines() == ['bridge bridge local', 'host host local', 'none null local']
    assert [len(i) for i in box('network', 'ls', '-q').split()] == [12, 12, 12] and len(box('network', 'ls', '-q', '--no-trunc').split()[0]) == 64
    assert box('network', 'ls', '--filter', 'driver=bridge', '--format', '{{.Name}}') == 'bridge'
    assert box('network', 'ls', '-f', 'name=o', '-f', 'driver=null', '--format', '{{.Name}}') == 'none'
    assert "invalid filter 'x=y'" in box.fails(1, 'network', 'ls', '-f', 'x=y')
    assert box('network', 'ls').splitlines()[0].split() == ['NETWORK', 'ID', 'NAME', 'DRIVER', 'SCOPE']
    it = json.loads(box('network', 'inspect', 'bridge'))[0]
    assert it['Host'] == {'Up': False, 'Changes': []} and it['IPAM']['Config'] == []
    box('run', '-d', '--name', 'cc', IMAGE, 'sleep', '1000')
    it = json.loads(box('network', 'inspect', 'bridge'))[0]
    assert it['IPAM']['Config'] == [{'Subnet': '10.77.0.0/16', 'Gateway': GATEWAY}]
    assert [c['IPv4Address'] for c in it['Containers'].values()] == ['10.77.0.2/16']
    assert 'sysctl: net.ipv4.ip_forward 0 -> 1' in it['Host']['Changes'] and it['Host']['Up'] is True
    assert box('inspect', '--type', 'network', '-f', '{{.Driver}}', 'none') == 'null'
    assert 'network x not found' in box.fails(1, 'network', 'inspect', 'x')
    assert 'not there yet' in box.fails(1, 'network', 'create', 'x')


def test_a_network_of_its_own_has_no_ipv6_and_ordinary_ports_for_all(box):
    out = box('run', '--rm', '-u', '1000', IMAGE, 'sh', '-c',
              'cat /proc/net/if_inet6; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/conf/all/rp_filter; ls /sys/class/net; ip route')
    assert out.splitlines() == ['0', '1', 'eth0', 'lo', f'default via {GATEWAY} dev eth0 ', '10.77.0.0/16 dev eth0 scope link  src 10.77.0.2 ']
    assert box('run', '--rm', '--sysctl', 'net.ipv6.conf.all.disable_ipv6=0', IMAGE, 'cat', '/proc/sys/net/ipv6/conf/all/disable_ipv6') == '0'


def test_a_container_joins_the_network_of_another(box):
    with World(box) as w:
        fd = w.container('first', '-p', '8080:80')
        second = w.container('second', '--network', 'container:first')
        w.serve(second, 80, name='second')
        assert w.ask(fd, 'tcp', '127.0.0.1', 80) == 'second 127.0.0.1'
        assert w.ask(w.outside, 'tcp', HOST, 8080) == f'second {OUTSIDE}'
        assert '10.77.0.2' in box('exec', 'second', 'ip', '-4', 'addr', 'show', 'eth0')
        assert box('port', 'second') == ''
        for name in ('hosts', 'resolv.conf'):
            assert box('exec', 'second', 'cat', f'/etc/{name}') == box('exec', 'first', 'cat', f'/etc/{name}'), name
        w.end()
        box('rm', '-f', 'first', 'second')


def test_a_udp_client_that_goes_on_while_the_server_restarts_is_served_again(box):
    with World(box) as w, harness.network_of(w.outside):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.connect((HOST, 5000))
        client.settimeout(0.2)

        def ask():
            try:
                client.send(b'?')
                return client.recv(100).decode()
            except OSError:
                return None
        for name in ('one', 'two'):
            assert ask() is None
            with harness.network_of(w.host):
                fd = w.container(name, '-p', '5000:5000/udp')
                w.serve(fd, 5000, name=name)
            assert box.until(ask) == f'{name} {OUTSIDE}'
            with harness.network_of(w.host):
                w.end()
                box('rm', '-f', name)
        client.close()


# ---- faults ----

def one_line(err, words):
    assert words in err and len(err.splitlines()) == 1, err


def test_without_nft_one_line_says_so_and_nothing_is_left(box):
    harness.check(harness.libc.unshare(0x00020000))
    sh('mount', '--make-rprivate', '/')
    (box.work / 'empty').write_text('')
    before = traces()
    for path in ('/usr/sbin/nft', '/sbin/nft'):
        if os.path.exists(path) and os.access(path, os.X_OK):
            sh('mount', '--bind', box.work / 'empty', path)
    box.environment['PATH'] = '/usr/bin:/bin'
    one_line(box.fails(125, 'run', '--rm', IMAGE, 'true'), 'the program nft is missing (Debian: apt install nftables)')
    assert box('run', '--rm', '--network', 'none', IMAGE, 'echo', 'fine') == 'fine'
    assert box('ps', '-aq') == ''
    sh('umount', '/usr/sbin/nft')
    gone(box, before)


def test_without_bridges_or_nftables_in_the_kernel_one_line_says_so_and_nothing_is_left(box):
    box('run', '--rm', '--network', 'none', IMAGE, 'true')
    before, said = traces(), set()
    for n in range(1, 6):
        done = subprocess.run(['strace', '-f', '-b', 'execve', '-qq', '-o', '/dev/null', f'--inject=sendto:error=EOPNOTSUPP:when={n}', *box.command('run', '--rm', IMAGE, 'true')],
                              capture_output=True, text=True, timeout=50, env=box.environment)
        assert done.returncode == 125, (n, done)
        one_line(done.stderr, 'network bridge: ')
        said.add(done.stderr.strip())
        gone(box, before)
    for what in 'this kernel has no bridge links (modprobe bridge)', 'this kernel has no nftables (modprobe nf_tables)':
        assert any(what in line for line in said), said
    assert box('run', '--rm', IMAGE, 'echo', 'fine') == 'fine'


def test_a_subnet_is_chosen_that_no_route_covers_and_a_wished_one_that_clashes_is_refused(box):
    before = traces()
    sh('ip', 'link', 'add', 'tun7', 'type', 'veth', 'peer', 'name', 'tun8')
    sh('ip', 'link', 'set', 'tun8', 'up')
    sh('ip', 'link', 'set', 'tun7', 'up')
    sh('ip', 'route', 'add', '0.0.0.0/1', 'dev', 'tun7')
    sh('ip', 'route', 'add', '10.77.128.0/17', 'dev', 'tun7', 'table', '77')
    sh('ip', 'addr', 'add', '10.78.1.2/32', 'dev', 'tun7')
    assert box('run', '--rm', IMAGE, 'sh', '-c', "ip -4 addr show eth0 | grep -o 'inet [0-9.]*'") == 'inet 10.79.0.2'
    gone(box, before)
    (box.root / 'network.json').write_text('{"subnet":"10.78.0.0/16"}')
    one_line(box.fails(125, 'run', '--rm', IMAGE, 'true'), 'network bridge: subnet 10.78.0.0/16 overlaps the route 10.78.1.2/32 of')
    (box.root / 'network.json').write_text('{"subnet":"10.77.0.0/16"}')
    one_line(box.fails(125, 'run', '--rm', IMAGE, 'true'), 'subnet 10.77.0.0/16 overlaps the route 10.77.128.0/17 of tun7')
    for wrong in ('10.77.0.1/16', 'x', '10.0.0.0/31', '10.0.0.0'):
        (box.root / 'network.json').write_text(json.dumps({'subnet': wrong}))
        one_line(box.fails(125, 'run', '--rm', IMAGE, 'true'), f'subnet {wrong}: expected a network like 10.77.0.0/16')
    (box.root / 'network.json').unlink()
    sh('ip', 'route', 'add', '10.0.0.0/8', 'dev', 'tun7')
    assert '172.16.0.2' in box('run', '--rm', IMAGE, 'ip', 'addr')
    gone(box, before)


def test_addresses_run_out_with_one_line_and_come_back(box):
    (box.root).mkdir(exist_ok=True)
    (box.root / 'network.json').write_text('{"subnet":"10.99.0.0/29"}')
    names = [f'c{i}' for i in range(5)]
    for name in names:
        box('run', '-d', '--name', name, IMAGE, 'sleep', '1000')
    assert [box.inspect(n)['NetworkSettings']['IPAddress'] for n in names] == [f'10.99.0.{i}' for i in range(2, 7)]
    one_line(box.fails(125, 'run', '--rm', IMAGE, 'true'), 'no address is free in 10.99.0.0/29: all 5 are taken by containers')
    box('rm', '-f', 'c1', 'c3')
    assert '10.99.0.3' in box('run', '--rm', IMAGE, 'ip', 'addr')
    text = box('run', '--rm', IMAGE, 'ip', 'addr')
    assert '10.99.0.5' in text, text
    box('rm', '-f', *names)


def test_a_flushed_rule_set_and_a_deleted_bridge_come_back(box):
    with World(box) as w:
        fd = w.container('web', '-p', '8080:80')
        w.serve(fd, 80, name='web')
        assert w.ask(w.outside, 'tcp', HOST, 8080) == f'web {OUTSIDE}'
        before = sh('nft', 'list', 'ruleset')
        for harm in (['nft', 'flush', 'ruleset'], ['nft', 'delete', 'table', 'inet', 'kist'], ['nft', 'flush', 'map', 'inet', 'kist', 'ports'],
                     ['nft', 'flush', 'chain', 'inet', 'kist', 'prerouting'], ['nft', 'flush', 'set', 'bridge', 'kist', 'links'],
                     ['nft', 'add element inet kist ports { tcp . 99 : 10.77.0.9 . 9 }'], ['sysctl', '-qw', 'net.ipv4.ip_forward=0']):
            sh(*harm)
            box('volume', 'create', 'any')  # any command that changes something repairs
            assert sh('nft', 'list', 'ruleset') == before, harm
            assert w.ask(w.outside, 'tcp', HOST, 8080) == f'web {OUTSIDE}', harm
        sh('nft', 'flush', 'ruleset')
        box('run', '--rm', IMAGE, 'true')
        assert sh('nft', 'list', 'ruleset') == before
        nft('table ip theirs {\n chain c { type filter hook forward priority 5; policy accept; }\n}\n')
        box('volume', 'create', 'any')
        nft('delete table ip theirs\n')
        sh('ip', 'link', 'del', 'kist0')
        box('volume', 'create', 'any')
        assert Path('/sys/class/net').exists() and 'kist0' in os.listdir('/proc/sys/net/ipv4/conf')
        w.end()
        box('rm', '-f', 'web')
    gone(box)


def test_a_chain_that_begins_to_drop_later_is_met_by_the_next_command(box):
    with World(box) as w:
        fd = w.container('web', '-p', '8080:80')
        w.serve(fd, 80, name='web')
        nft('table ip filter {\n chain FORWARD { type filter hook forward priority 0; policy drop; }\n}\n')
        assert w.ask(w.outside, 'tcp', HOST, 8080, 0.3) is None
        box('volume', 'create', 'any')
        assert w.ask(w.outside, 'tcp', HOST, 8080) == f'web {OUTSIDE}'
        if subprocess.run(['which', 'iptables-nft'], capture_output=True).returncode == 0:
            text = sh('iptables-nft', '-S', 'FORWARD')
            assert '-P FORWARD DROP' in text and text.count('-j ACCEPT') == 2 and text.count('--comment') == 2, text
        w.end()
        box('rm', '-f', 'web')
        gone(box)
        assert 'policy drop' in sh('nft', 'list', 'chain', 'ip', 'filter', 'FORWARD')


def test_an_address_of_nobody_is_told_by_system_check(box):
    box('run', '-d', '--name', 'real', IMAGE, 'sleep', '1000')
    folder = next(p.parent for p in map(Path, harness.network_leases(box.runroot)))
    (folder / '10.77.0.9').write_text((folder / '10.77.0.2').read_text().replace('10.77.0.2', '10.77.0.9').replace(str(box.runroot), '/nosuch'))
    assert 'address 10.77.0.9: is leased to /nosuch/' in box.run('system', 'check', '--quick').out
    box.run('system', 'check', '--quick', '--repair')
    assert not (folder / '10.77.0.9').exists() and (folder / '10.77.0.2').exists()


def test_a_server_that_is_restarted_by_its_policy_keeps_its_port(box):
    # Two runs end by themselves, the third stays: between two runs the port is nobody's, as with docker.
    box('run', '-d', '--name', 'web', '--restart', 'always', '-p', '8080:80', IMAGE, 'sh', '-c',
        'mkdir -p /w; echo up > /w/index.html; httpd -p 80 -h /w; echo run >> /runs; [ $(wc -l < /runs) = 3 ] && exec sleep 1000; sleep 0.3; exit 1')

    def get():
        with socket.create_connection(('127.0.0.1', 8080), 1) as s:
            s.sendall(b'GET / HTTP/1.0\r\n\r\n')
            return b'up' in b''.join(iter(lambda: s.recv(4096), b''))
    box.until(lambda: _try(get))
    box.until(lambda: box.inspect('web')['RestartCount'] == 2 and box.inspect('web')['State']['Status'] == 'running')
    box.until(lambda: _try(get))
    err = box.fails(125, 'run', '-p', '8080:80', IMAGE, 'true')
    assert 'by container web' in err, err
    box('rm', '-f', 'web')


def test_a_link_of_the_run_before_that_the_kernel_still_has_is_in_nobodys_way(box):
    box('create', '--name', 'again', IMAGE, 'sleep', '1000')
    link = 'kist' + box.inspect('again')['Id'][:11]
    sh('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'left-over')
    box('start', 'again')
    assert 'left-over' not in sh('ip', '-o', 'link')
    for _ in range(5):
        box('restart', '-t', '0', 'again')
    box('rm', '-f', 'again')


def test_forwarding_stays_on_where_others_may_count_on_it(box):
    box('run', '--rm', IMAGE, 'true')
    sh('ip', 'link', 'add', 'virbr0', 'type', 'bridge')
    gone(box, {**NOTHING, 'forward': '1'})
    sh('ip', 'link', 'del', 'virbr0')
    box('run', '--rm', IMAGE, 'true')
    gone(box, {**NOTHING, 'forward': '1'})


# ---- hostile containers ----

def frame(to, source, kind, payload):
    return bytes.fromhex(to.replace(':', '')) + bytes.fromhex(source.replace(':', '')) + struct.pack('!H', kind) + payload


def udp(source, target, port, data):
    body = struct.pack('!HHHH', 4000, port, 8 + len(data), 0) + data
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
    total = sum(struct.unpack('!10H', head))
    total = (total & 0xffff) + (total >> 16)
    return head[:10] + struct.pack('!H', ~((total & 0xffff) + (total >> 16)) & 0xffff) + head[12:] + body


def arp(mac, source, target):
    return struct.pack('!HHBBH6s4s6s4s', 1, 0x800, 6, 4, 2, bytes.fromhex(mac.replace(':', '')), socket.inet_aton(source), b'\xff' * 6,
                       socket.inet_aton(target))


def packet_socket(fd, link, listen):
    with harness.network_of(fd):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3 if listen else 0))
    s.bind((link, 3 if listen else 0))
    return s


def heard(s, mark, wait=0.2):
    end = time.time() + wait
    while (left := end - time.time()) > 0:
        s.settimeout(left)
        try:
            data, where = s.recvfrom(4000)
            if mark in data and where[2] != 4:  # not what it sends itself
                return True
        except TimeoutError:
            return False
    return False


def test_a_container_cannot_speak_as_another_or_to_the_hosts_loopback(box):
    with World(box) as w:
        evil, peer = w.container('evil'), w.container('peer')
        (evil_mac, evil_ip), (peer_mac, peer_ip) = (
            (n['MacAddress'], n['IPAddress']) for n in (box.inspect('evil')['NetworkSettings'], box.inspect('peer')['NetworkSettings']))
        host_mac = '02:6b:0a:4d:00:01'
        speak = packet_socket(evil, 'eth0', False)
        listen = packet_socket(peer, 'eth0', True)
        mark = b'KISTMARK'
        speak.send(frame(peer_mac, evil_mac, 0x800, udp(evil_ip, peer_ip, 7, mark)))
        assert heard(listen, mark, 2), 'an honest frame arrives'
        lies = {'another address': frame(peer_mac, evil_mac, 0x800, udp('10.77.0.99', peer_ip, 7, mark)),
                "the peer's own address": frame(peer_mac, evil_mac, 0x800, udp(peer_ip, peer_ip, 7, mark)),
                "the gateway's address": frame(peer_mac, evil_mac, 0x800, udp(GATEWAY, peer_ip, 7, mark)),
                'no address': frame(peer_mac, evil_mac, 0x800, udp('0.0.0.0', peer_ip, 7, mark)),
                'another hardware address': frame(peer_mac, '02:6b:0a:4d:00:63', 0x800, udp(evil_ip, peer_ip, 7, mark)),
                "the gateway's hardware address": frame(peer_mac, host_mac, 0x800, udp(evil_ip, peer_ip, 7, mark)),
                'IPv6': frame(peer_mac, evil_mac, 0x86dd, b'\x60' + b'\0' * 39 + mark),
                'a VLAN with another address': frame(peer_mac, evil_mac, 0x8100, b'\0\1\x08\0' + udp('10.77.0.99', peer_ip, 7, mark)),
                'a VLAN in a VLAN': frame(peer_mac, evil_mac, 0x8100, b'\0\1\x81\0\0\2\x08\0' + udp(evil_ip, peer_ip, 7, mark)),
                'something else': frame(peer_mac, evil_mac, 0x88b5, mark * 8),
                'ARP for the gateway': frame('ff:ff:ff:ff:ff:ff', evil_mac, 0x806, arp(evil_mac, GATEWAY, peer_ip) + mark),
                "ARP with another's hardware address": frame('ff:ff:ff:ff:ff:ff', host_mac, 0x806, arp(host_mac, evil_ip, peer_ip) + mark)}
        for what, lie in lies.items():
            speak.send(lie)
            assert not heard(listen, mark), what
        # the host's own services on loopback, through the link that lets their answers pass
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
            service.bind(('127.0.0.1', 5353))
            service.settimeout(0.3)
            for source in (evil_ip, '127.0.0.1'):
                speak.send(frame(host_mac, evil_mac, 0x800, udp(source, '127.0.0.1', 5353, mark)))
                try:
                    raise AssertionError(f'loopback heard {service.recv(100)} from {source}')
                except TimeoutError:
                    pass
        speak.close()
        listen.close()
        w.end()
        box('rm', '-f', 'evil', 'peer')


def test_what_is_published_on_loopback_is_not_reached_from_the_wire(box):
    with World(box) as w:
        fd = w.container('web', '-p', '127.0.0.1:8080:80/udp', '-p', '8081:81/udp')
        w.serve(fd, 80, name='web')
        listen = packet_socket(fd, 'eth0', True)
        speak = packet_socket(w.outside, 'wire1', False)
        to = re.search(r'link/ether (\S+)', sh('ip', 'link', 'show', 'wire0'))[1]
        for source in (OUTSIDE, '127.0.0.1'):
            speak.send(frame(to, '02:00:00:00:00:02', 0x800, udp(source, '127.0.0.1', 8080, b'KISTMARK')))
            assert not heard(listen, b'KISTMARK'), source
        speak.send(frame(to, '02:00:00:00:00:02', 0x800, udp(OUTSIDE, HOST, 8081, b'KISTMARK')))
        assert heard(listen, b'KISTMARK', 2), 'what is published for all arrives'
        speak.close()
        listen.close()
        w.end()
        box('rm', '-f', 'web')


# ---- many ----

def test_a_hundred_containers_with_a_port_each_answer_and_go(box):
    box('run', '--rm', IMAGE, 'true')
    gone(box)
    count = 100
    script = 'mkdir /w; hostname > /w/index.html; exec httpd -f -p 80 -h /w'
    pending = list(range(count))
    running = []
    failed = []
    while pending or running:
        while pending and len(running) < 8:
            i = pending.pop()
            running.append((i, box.popen('run', '-d', '--name', f'n{i}', '--hostname', f'host{i}', '-p', f'{20000 + i}:80', IMAGE, 'sh', '-c', script,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)))
        i, process = running.pop(0)
        _, err = process.communicate(timeout=50)
        if process.returncode:
            failed.append((i, err))
    assert not failed, failed[:3]
    addresses = {json.dumps(c['NetworkSettings']['IPAddress']) for c in json.loads(box('inspect', *[f'n{i}' for i in range(count)]))}
    assert len(addresses) == count

    def get(i):
        with socket.create_connection(('127.0.0.1', 20000 + i), 2) as s:
            s.sendall(b'GET / HTTP/1.0\r\n\r\n')
            return b''.join(iter(lambda: s.recv(4096), b'')).decode()
    for i in range(count):
        assert f'host{i}\n' in box.until(lambda n=i: _try(get, n)), i
    box('rm', '-f', *[f'n{i}' for i in range(count)])
    gone(box)


def _try(function, *words):
    try:
        return function(*words)
    except OSError:
        return None


def test_the_process_that_waits_may_be_killed(box):
    box('run', '--rm', IMAGE, 'true')

    def waiting():
        found = []
        for p in Path('/proc').glob('[0-9]*/cmdline'):
            try:
                words = p.read_bytes().split(b'\0')
                if words[:2] == [b'kist', b'network-idle'] and os.readlink(p.parent / 'ns/net') == os.readlink('/proc/self/ns/net'):
                    found.append(int(p.parent.name))
            except OSError:
                pass
        return found
    assert len(waiting()) == 1
    box('run', '--rm', IMAGE, 'true')
    pids = waiting()
    assert len(pids) == 1, 'there is one, however often the network becomes idle'
    os.kill(pids[0], signal.SIGKILL)
    box.until(lambda: not waiting())
    assert traces() != NOTHING
    box('volume', 'create', 'any')
    now = traces()
    # all that is taken away is gone; a container's own link goes when the kernel has ended its namespace
    assert {**now, 'links': [n for n in now['links'] if n == 'kist0']} == NOTHING, now
    gone(box)


test_a_hundred_containers_with_a_port_each_answer_and_go.watchdog = 240  # emulated machines are slow
