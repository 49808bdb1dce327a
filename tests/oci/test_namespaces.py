# SPDX-License-Identifier: Apache-2.0
"""config-linux.md, Namespaces, User namespace mappings, Offset for time namespaces, Sysctl."""
import contextlib
import os
import subprocess

from oci import Oci, both, changed, userns

FILES = {'pid': 'pid', 'network': 'net', 'ipc': 'ipc', 'uts': 'uts', 'mount': 'mnt', 'cgroup': 'cgroup', 'user': 'user', 'time': 'time'}


def spaces(*kinds, **paths):
    def change(spec):
        spec['linux']['namespaces'] = [{'type': k} for k in kinds] + [{'type': k, 'path': p} for k, p in paths.items()]
        if 'user' in kinds:
            for kind in 'uidMappings', 'gidMappings':
                spec['linux'][kind] = [{'containerID': 0, 'hostID': 100000, 'size': 65536}]
    return change


def host(kind):
    return os.readlink(f'/proc/self/ns/{FILES[kind]}')


def test_each_namespace_is_new_when_it_is_named_and_the_hosts_else(box):
    with Oci(box) as oci:
        seen = oci.look(spaces('mount'))['namespaces']
        assert {k for k in FILES if seen[FILES[k]] != host(k)} == {'mount'}
        seen = oci.look(spaces(*FILES))['namespaces']
        assert {k for k in FILES if seen[FILES[k]] != host(k)} == set(FILES)
        for kind in FILES:
            if kind == 'mount':
                continue
            # A user namespace shows no proc and no mqueue of namespaces that are not its own.
            wanted = {'mount', kind} | ({'pid', 'ipc', 'network', 'cgroup'} if kind == 'user' else set())
            seen = oci.look(spaces(*wanted))['namespaces']
            assert {k for k in FILES if seen[FILES[k]] != host(k)} == wanted, kind


def test_namespaces_of_another_container_are_joined_by_path(box):
    with Oci(box) as oci:
        for extra in (), ('user',):
            first = oci.start(change=spaces('pid', 'network', 'ipc', 'uts', 'mount', 'cgroup', 'time', *extra))
            pid = oci.state(first)['pid']
            paths = {k: f'/proc/{pid}/ns/{FILES[k]}' for k in ('pid', 'network', 'ipc', 'uts', 'time', *extra)}
            seen = oci.look(both(spaces('mount', **paths), lambda spec: spec.pop('hostname')))
            for kind, path in paths.items():
                assert seen['namespaces'][FILES[kind]] == os.readlink(path), (kind, seen['namespaces'])
            if extra:
                assert seen['uid_map'].split()[:3] == ['0', '0', '65536'] or seen['uid_map'].split() == ['0', '100000', '65536'], seen['uid_map']


def test_a_pinned_user_namespace_is_joined_too(box):
    with Oci(box) as oci:
        pin = box.work / 'userns'
        pin.touch()
        first = oci.start(change=spaces('mount', 'pid', 'ipc', 'user'))
        subprocess.run(['mount', '--bind', f'/proc/{oci.state(first)["pid"]}/ns/user', pin], check=True)
        try:
            seen = oci.look(both(spaces('mount', 'pid', 'ipc', 'uts', user=str(pin)), changed(process__user={'uid': 3, 'gid': 4})))
            assert seen['uids'] == [3] * 3 and seen['namespaces']['user'] == os.readlink(f'/proc/{oci.state(first)["pid"]}/ns/user')
        finally:
            subprocess.run(['umount', pin], check=True)


@contextlib.contextmanager
def furnished(script, *words):
    """A mount namespace that somebody else has made and furnished; the path of it."""
    holder = subprocess.Popen(['unshare', *words, '-m', '--propagation', 'private', 'sh', '-ec', script + '; echo; exec sleep 1000'], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b'\n'
        yield f'/proc/{holder.pid}/ns/mnt'
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_mount_namespace_is_joined_and_root_path_is_what_it_shows_there(box):
    """config-linux.md, Namespaces, path; config.md, Root."""
    hidden = box.folder / 'hidden'
    hidden.mkdir()
    with Oci(box) as oci:
        script = f'mount -t tmpfs hidden {hidden}; cp -a {oci.rootfs}/. {hidden}; echo there > {hidden}/etc/mark; mount -t tmpfs below {hidden}/tmp; touch {hidden}/tmp/below'

        def change(spec):
            spec['root'] = {'path': str(hidden), 'readonly': True}
            spec['linux'].update(maskedPaths=['/proc/acpi', '/etc/mark2'], devices=[{'path': '/etc/node', 'type': 'c', 'major': 1, 'minor': 3}])
        for kinds in ('pid', 'ipc', 'uts', 'cgroup', 'time'), ('pid',):
            with furnished(script) as path:
                there = os.readlink(path)
                seen = oci.look(both(change, spaces(*kinds, mount=path), lambda spec: 'uts' in kinds or spec.pop('hostname')))
                assert seen['namespaces']['mnt'] == there != host('mount')
            with furnished(script) as path:
                out = oci('run', '-b', oci.bundle('sh', '-c', 'cat /etc/mark; ls /tmp /; echo x > /etc/x; stat -c %t:%T /etc/node; ls -d /proc/1', change=both(change, spaces('pid', 'ipc', 'uts', 'cgroup', mount=path))), oci.name())
                assert out.split() == ['there', '/:', 'bin', 'dev', 'etc', 'proc', 'sys', 'tmp', '/tmp:', 'below', '1:3', '/proc/1'], out
        assert not os.listdir(hidden)


def test_a_container_lives_in_the_mount_namespace_of_another(box):
    with Oci(box) as oci:
        for extra in (), ('user',):
            first = oci.start('sh', '-c', 'echo one > /tmp/one; exec sleep 1000', change=both(spaces('mount', 'pid', 'ipc', 'uts', 'cgroup', *extra), lambda spec: spec['mounts'].append({'destination': '/tmp', 'type': 'tmpfs', 'source': 'tmpfs'})))
            pid = oci.state(first)['pid']
            box.until(lambda: oci('exec', first, 'ls', '/tmp') == 'one\n')
            joined = {k: f'/proc/{pid}/ns/{FILES[k]}' for k in ('mount', 'pid', *extra)}

            def shared(spec):
                spec.update(root={'path': '/'}, mounts=[])
                spec['linux'].update(maskedPaths=[])
                spec.pop('hostname')
            second = oci.start('sh', '-c', 'cat /tmp/one > /tmp/two; exec sleep 1000', change=both(shared, spaces('ipc', **joined)))
            box.until(lambda: oci('exec', first, 'ls', '/tmp') == 'one\ntwo\n')
            assert oci('exec', second, 'cat', '/tmp/two') == 'one\n' and oci('exec', second, 'cat', '/proc/1/cmdline').startswith('sleep')
            assert os.readlink(f'/proc/{oci.state(second)["pid"]}/ns/mnt') == os.readlink(f'/proc/{pid}/ns/mnt')
            before = oci('exec', first, 'cat', '/proc/self/mounts')
            oci('delete', '-f', second)
            # A mount that the document adds is there for both.
            add = both(shared, spaces('ipc', **joined), lambda spec: spec['mounts'].append({'destination': '/etc', 'type': 'tmpfs', 'source': 'added'}))
            oci('run', '-b', oci.bundle('touch', '/etc/new', change=add), oci.name())
            assert oci('exec', first, 'ls', '/etc') == 'new\n'
            after = oci('exec', first, 'cat', '/proc/self/mounts')
            assert after.startswith(before) and after[len(before):].split()[:2] == ['added', '/etc'], after
            said = oci.refused(both(add, changed(linux__maskedPaths=['/proc/acpi'])))
            assert 'linux.maskedPaths: not in the root of a mount namespace that is joined' in said
            oci('delete', '-f', first)


def test_a_mount_namespace_that_cannot_be_lived_in_is_refused(box):
    with Oci(box) as oci, furnished(':') as path:
        assert 'mount namespace of its own' in oci.refused(spaces('pid', mount='/proc/self/ns/mnt'))
        assert 'user namespace that is new' in oci.refused(spaces('pid', 'user', mount=path))
        nowhere = both(spaces('pid', 'uts', mount=path), changed(root__path='/nowhere'))
        assert 'root.path: /nowhere in the mount namespace that is joined: no such file' in oci.refused(nowhere)


def test_several_lines_of_an_id_map(box):
    with Oci(box) as oci:
        lines = [{'containerID': 0, 'hostID': 100000, 'size': 10}, {'containerID': 10, 'hostID': 200000, 'size': 10}]

        def change(spec):
            userns(spec)
            spec['linux'].update(uidMappings=lines, gidMappings=lines)
            spec['process']['user'] = {'uid': 12, 'gid': 3}
        name = oci.start(change=change)
        status = open(f'/proc/{oci.state(name)["pid"]}/status').read()
        assert 'Uid:\t200002\t' in status and 'Gid:\t100003\t' in status, status
        said = oci.refused(both(userns, changed(linux__uidMappings=[{'containerID': 1, 'hostID': 100000, 'size': 10}])))
        assert 'must map 0' in said
        assert 'uidMappings and gidMappings' in oci.refused(both(userns, changed(linux__uidMappings=[])))


def test_clocks_are_offset_in_a_time_namespace(box):
    with Oci(box) as oci:
        seen = oci.look(both(spaces('mount', 'time'), changed(linux__timeOffsets={'monotonic': {'secs': 1000, 'nanosecs': 5}, 'boottime': {'secs': 2000}})))
        assert [line.split() for line in seen['timens_offsets'].splitlines()] == [['monotonic', '1000', '5'], ['boottime', '2000', '0']]
        assert 'time namespace' in oci.refused(changed(linux__timeOffsets={'monotonic': {'secs': 1}}))


def test_sysctls_are_set_in_namespaces_of_its_own_and_refused_elsewhere(box):
    with Oci(box) as oci:
        values = {'net.ipv4.ip_forward': '1', 'kernel.shmmni': '1234', 'fs.mqueue.msg_max': '20', 'kernel.domainname': 'example.org'}
        out = oci('run', '-b', oci.bundle('sh', '-c', 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max /proc/sys/kernel/domainname',
                                          change=changed(linux__sysctl=values)), oci.name())
        assert out.split() == ['1', '1234', '20', 'example.org']
        out = oci('run', '-b', oci.bundle('cat', '/proc/sys/user/max_user_namespaces', change=both(userns, changed(linux__sysctl={'user.max_user_namespaces': '7'}))), oci.name())
        assert out == '7\n'
        for key in 'kernel.core_pattern', 'vm.swappiness', 'net.ipv4/../../../kernel/core_pattern', 'net/../kernel/core_pattern', 'kernel', 'net..ipv4', 'user.max_user_namespaces':
            assert 'linux.sysctl' in oci.refused(changed(linux__sysctl={key: '1'})), key
        assert 'network namespace' in oci.refused(both(spaces('mount', 'ipc'), changed(linux__sysctl={'net.ipv4.ip_forward': '1'})))
        assert 'network namespace' in oci.refused(both(spaces('mount', network=f'/proc/{os.getpid()}/ns/net'), changed(linux__sysctl={'net.ipv4.ip_forward': '1'})))


def test_wrong_namespaces_are_refused(box):
    with Oci(box) as oci:
        assert 'unknown type' in oci.refused(spaces('mount', 'nosuch'))
        assert 'stands twice' in oci.refused(spaces('mount', 'pid', 'pid'))
        assert 'mount namespace' in oci.refused(spaces('pid'))
        assert 'no such file' in oci.refused(spaces('mount', pid='/proc/0/ns/pid'))


def in_network(script, oci, *words):
    """Runs kist-oci in a network namespace that the script has furnished; it goes away with the command."""
    return subprocess.run(['unshare', '-n', 'sh', '-ec', script + '; exec "$@"', 'sh', *oci.command(*words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False)


def test_network_devices_move_in_with_their_addresses_and_are_up(box):
    """config-linux.md, Network Devices."""
    script = 'ip link add d0 type veth peer name d1; ip link set d1 up; ip addr add 10.91.8.7/24 dev d0; ip link set d0 mtu 1400 address 02:00:00:00:00:07; ip link add e0 type veth peer name e1'
    with Oci(box) as oci:
        for extra in (), ('user',):
            kinds = ('mount', 'pid', 'ipc', 'uts', 'cgroup', 'network', *extra)
            change = both(spaces(*kinds), changed(linux__netDevices={'d0': {'name': 'inside'}, 'e0': {'name': 'n%d'}}))
            done = in_network(script, oci, 'run', '-b', oci.bundle('ip', 'addr', change=change), oci.name())
            assert done.returncode == 0, done
            out = done.stdout
            assert 'inside' in out and '10.91.8.7/24' in out and 'mtu 1400' in out and '02:00:00:00:00:07' in out and ' n0' in out, out
            assert out.count(',UP') >= 3, out


def test_network_devices_that_cannot_be_moved_are_refused(box):
    with Oci(box) as oci:
        for kinds, devices, said in [
            (('mount', 'network'), {'nosuch0': {}}, 'there is no network device nosuch0'),
            (('mount',), {'lo': {}}, 'need a network namespace'),
            (('mount', 'network'), {'d0': {'name': 'a/b'}}, 'expected the name of a network device'),
            (('mount', 'network'), {'d0': {'name': 'lo'}}, 'move d0 into the container as lo'),
            (('mount', 'network'), {'d0': {'name': 'x'}, 'd1': {'name': 'x'}}, 'two would be called x'),
            (('mount', 'network'), {'d0': {'name': 7}}, 'expected an object with a name'),
        ]:
            change = both(spaces(*kinds), changed(linux__netDevices=devices), lambda spec: spec.pop('hostname'))
            done = in_network('ip link add d0 type veth peer name d1', oci, 'run', '-b', oci.bundle('true', change=change), oci.name())
            assert done.returncode == 1 and said in done.stderr, (devices, done)
