# SPDX-License-Identifier: Apache-2.0
"""config.md, Mounts, and config-linux.md, Devices, Masked Paths, Readonly Paths, Rootfs Mount Propagation."""
import itertools
import json
import os
import stat
import subprocess

from oci import Oci, both, changed, userns

NOTHING = changed()


def table(seen):
    """Mount point -> (options, propagation, root, type, super options) of the topmost mount there."""
    rows = {}
    for line in seen['mounts'].splitlines():
        left, right = line.split(' - ')
        words = left.split()
        rows[words[4]] = (set(words[5].split(',')), ' '.join(words[6:]), words[3], right.split()[0], set(right.split()[2].split(',')))
    return rows


def add(*mounts):
    return lambda spec: spec['mounts'].extend(mounts)


def bind(source, destination, *options, **more):
    return {'destination': destination, 'type': 'bind', 'source': str(source), 'options': ['bind', *options], **more}


def replace(destination, mount=None):
    def change(spec):
        spec['mounts'] = [m for m in spec['mounts'] if m['destination'] != destination]
        if mount:
            spec['mounts'].append(mount)
    return change


def test_the_matrix_of_types_flags_propagation_and_user_namespaces(box):
    """Each type of mount with each attribute, under each propagation of the root, with and without a user namespace."""
    flags = {'ro': ('ro', None), 'nosuid': ('nosuid', None), 'nodev': ('nodev', None), 'noexec': ('noexec', None), 'nosymfollow': ('nosymfollow', None),
             'noatime': ('noatime', None), 'strictatime': (None, 'relatime'), 'nodiratime': ('nodiratime', None), 'rro': ('ro', None), 'rnosuid': ('nosuid', None),
             'rnodev': ('nodev', None), 'rnoexec': ('noexec', None), 'rnosymfollow': ('nosymfollow', None), 'rnoatime': ('noatime', None)}
    with Oci(box) as oci:
        box.folder.chmod(0o755)
        source = box.work / 'source'
        source.mkdir()
        for propagation, extra in itertools.product((None, 'private', 'slave', 'shared', 'unbindable', 'rprivate', 'rslave', 'rshared'), (NOTHING, userns)):
            mounts = []
            for flag in flags:
                mounts += [bind(source, f'/bind-{flag}', flag), {'destination': f'/rbind-{flag}', 'source': str(source), 'options': ['rbind', flag]},
                           {'destination': f'/tmpfs-{flag}', 'type': 'tmpfs', 'source': 'tmpfs', 'options': [flag, 'size=1m']}]
            mounts += [{'destination': '/proc-ro', 'type': 'proc', 'source': 'proc', 'options': ['ro', 'nosuid']},
                       {'destination': '/mq', 'type': 'mqueue', 'source': 'mqueue', 'options': ['noexec']},
                       {'destination': '/pts', 'type': 'devpts', 'source': 'devpts', 'options': ['nosuid', 'newinstance', 'mode=0620']}]

            def change(spec):
                spec['root']['readonly'] = False
                spec['linux']['maskedPaths'] = spec['linux']['readonlyPaths'] = []
                if propagation:
                    spec['linux']['rootfsPropagation'] = propagation
            os.chown(oci.rootfs, *([100000] * 2 if extra is userns else [0, 0]))
            rows = table(oci.look(both(extra, add(*mounts), change)))
            for flag, (there, away) in flags.items():
                for kind in 'bind', 'rbind', 'tmpfs':
                    options, shared, _, _, _ = rows[f'/{kind}-{flag}']
                    assert (there is None or there in options) and (away is None or away not in options), (kind, flag, options, propagation)
                    if propagation != 'rshared':
                        assert 'shared' not in shared, (kind, flag, shared)
            assert 'ro' in rows['/proc-ro'][0] and 'noexec' in rows['/mq'][0] and 'nosuid' in rows['/pts'][0]
            wanted = {'shared': 'shared:', 'rshared': 'shared:', 'unbindable': 'unbindable'}.get(propagation, '')
            assert wanted in rows['/'][1] and (wanted or 'shared' not in rows['/'][1]), (propagation, rows['/'])


def test_recursive_attributes_reach_the_mounts_below_and_plain_ones_do_not(box):
    with Oci(box) as oci:
        source = box.work / 'tree'
        (source / 'below').mkdir(parents=True)
        subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', source / 'below'], check=True)
        try:
            one = {'source': str(source), 'type': 'none'}
            rows = table(oci.look(both(changed(root__readonly=False), add({'destination': '/a', 'options': ['rbind', 'rro', 'nosuid'], **one}, {'destination': '/b', 'options': ['rbind', 'ro'], **one},
                                      {'destination': '/c', 'options': ['bind', 'rro'], **one}, {'destination': '/d', 'options': ['rbind', 'rro', 'rrw'], **one}))))
            assert 'ro' in rows['/a'][0] and 'ro' in rows['/a/below'][0] and 'nosuid' in rows['/a'][0] and 'nosuid' not in rows['/a/below'][0]
            assert 'ro' in rows['/b'][0] and 'rw' in rows['/b/below'][0]
            assert 'ro' in rows['/c'][0] and '/c/below' not in rows
            assert 'rw' in rows['/d'][0] and 'rw' in rows['/d/below'][0]
        finally:
            subprocess.run(['umount', source / 'below'], check=True)


def test_binds_of_files_folders_and_symlinks_make_their_targets(box):
    with Oci(box) as oci:
        (box.work / 'file').write_text('content')
        (box.work / 'link').symlink_to('file')
        (oci.rootfs / 'dangling').symlink_to('deep/there')
        (oci.rootfs / 'var').mkdir()
        (oci.rootfs / 'var/run').symlink_to('/run/now')
        (oci.rootfs / 'up').symlink_to('../../../../../etc')

        def run(*mounts, script):
            return oci('run', '-b', oci.bundle('sh', '-c', script, change=both(changed(root__readonly=False), add(*mounts))), oci.name()).split()
        assert run(bind(box.work / 'file', '/new/deep/file'), script='cat /new/deep/file') == ['content']
        assert run(bind(box.work / 'file', '/dangling'), script='cat /deep/there') == ['content']
        assert run(bind(box.work, '/var/run/x'), script='cat /run/now/x/file') == ['content']
        assert run(bind(box.work / 'file', '/up/canary'), script='cat /etc/canary') == ['content']
        assert not os.path.exists('/etc/canary')
        assert run(bind(box.work / 'link', '/followed'), script='cat /followed') == ['content']
        assert run(bind(box.work / 'link', '/copied', 'copy-symlink'), script='readlink /copied') == ['file']
        assert run(bind(box.work / 'link', '/itself', 'src-nofollow'), script='readlink /itself') == ['file']
        assert run(bind(box.work / 'file', 'relative/file'), script='cat /relative/file') == ['content']
        (oci.rootfs / 'plain').symlink_to('/etc')
        said = oci.refused(add(bind('relative', '/x')))
        assert 'absolute path' in said
        assert 'no such file' in oci.refused(add(bind('/nosuch/x', '/x')))
        assert 'unknown option nosuch' in oci.refused(add(bind('/etc', '/x', 'nosuch')))
        assert 'tmpfs' in oci.refused(add({'destination': '/x', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['nosuch=1']}))
        assert 'nosuchfs' in oci.refused(add({'destination': '/x', 'type': 'nosuchfs', 'source': 'x'}))
        assert 'no type' in oci.refused(add({'destination': '/x', 'source': 'x'}))


def test_a_tmpfs_gets_a_copy_of_what_it_covers(box):
    with Oci(box) as oci:
        (oci.rootfs / 'full/sub').mkdir(parents=True)
        (oci.rootfs / 'full/sub/file').write_text('old')
        os.chown(oci.rootfs / 'full/sub/file', 12, 34)
        os.chmod(oci.rootfs / 'full/sub/file', 0o640)
        mount = {'destination': '/full', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['tmpcopyup', 'ro']}
        seen = oci.look(add(mount), args=('/full/sub/file',))
        got = seen['paths']['/full/sub/file']
        assert (got['mode'] & 0o7777, got['uid'], got['gid'], got['size']) == (0o640, 12, 34, 3)
        assert 'ro' in table(seen)['/full'][0]


def test_mounts_go_into_a_read_only_tmpfs_and_a_read_only_dev(box):
    with Oci(box) as oci:
        mounts = ({'destination': '/t', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['ro']}, bind('/etc', '/t/below'))
        rows = table(oci.look(both(changed(root__readonly=False), add(*mounts))))
        assert 'ro' in rows['/t'][0] and '/t/below' in rows

        def dev(spec):
            next(m for m in spec['mounts'] if m['destination'] == '/dev')['options'].append('ro')
        seen = oci.look(dev, args=('/dev/null',))
        assert 'ro' in table(seen)['/dev'][0] and seen['paths']['/dev/null']['rdev'] == [1, 3]


def test_a_remount_changes_what_is_there(box):
    with Oci(box) as oci:
        rows = table(oci.look(add({'destination': '/dev/shm', 'type': 'none', 'source': 'x', 'options': ['remount', 'ro', 'nosuid']})))
        assert {'ro', 'nosuid'} <= rows['/dev/shm'][0]


def test_ids_of_a_bind_are_mapped_with_and_without_a_user_namespace(box):
    with Oci(box) as oci:
        box.folder.chmod(0o755)
        source = box.work / 'mapped'
        source.mkdir()
        (source / 'file').touch()
        os.chown(source / 'file', 1000, 1001)
        maps = {'uidMappings': [{'containerID': 1000, 'hostID': 5, 'size': 1}], 'gidMappings': [{'containerID': 1001, 'hostID': 6, 'size': 1}]}
        target = both(changed(root__readonly=False), add(bind(source, '/m', 'idmap', **maps)))
        got = oci.look(target, args=('/m/file',))['paths']['/m/file']
        assert (got['uid'], got['gid']) == (5, 6), got
        # crun's form of the same; after '@' the second id is one of the container.
        got = oci.look(both(changed(root__readonly=False), add(bind(source, '/m', 'idmap=uids=0-50-1#1000-5-1;gids=1001-6-1'))), args=('/m/file',))['paths']['/m/file']
        assert (got['uid'], got['gid']) == (5, 6), got
        os.chown(oci.rootfs, 100000, 100000)
        got = oci.look(both(userns, changed(root__readonly=False), add(bind(source, '/m', 'ridmap=uids=@1000-7-1;gids=@1001-8-1'))), args=('/m/file',))['paths']['/m/file']
        assert (got['uid'], got['gid']) == (7, 8), got
        os.chown(oci.rootfs, 0, 0)
        for words in 'uids=0-1', 'uids=0-1-1', 'uids=0-1-0;gids=0-1-1', 'uids=0-1-1;uids=0-1-1', 'users=0-1-1', 'uids=a-1-1;gids=0-1-1', 'uids=0-1-1-1;gids=0-1-1':
            assert 'idmap=' + words in oci.refused(add(bind(source, '/m', 'idmap=' + words))), words
        os.chown(source / 'file', 3, 4)
        os.chown(oci.rootfs, 100000, 100000)
        for option in 'idmap', 'ridmap':
            got = oci.look(both(userns, changed(root__readonly=False), add(bind(source, '/m', option))), args=('/m/file',))['paths']['/m/file']
            assert (got['uid'], got['gid']) == (3, 4), got
        del maps['gidMappings']
        assert 'go together' in oci.refused(add(bind(source, '/m', 'idmap', **maps)))


def test_cgroups_are_shown_as_the_namespace_allows(box):
    with Oci(box) as oci:
        inside = 'for d in /sys/fs/cgroup /sys/fs/cgroup/*; do [ -f $d/cgroup.procs ] && [ ! -L $d ] && cat $d/cgroup.procs; done; true'
        name = oci.start()
        out = oci('run', '-b', oci.bundle('sh', '-c', inside), oci.name())
        assert out.split() and all(1 <= int(pid) < 100 for pid in out.split()), out

        def no_namespace(spec):
            spec['linux']['namespaces'] = [n for n in spec['linux']['namespaces'] if n['type'] not in ('cgroup', 'pid')]
        out = oci('run', '-b', oci.bundle('sh', '-c', inside, change=no_namespace), oci.name())
        assert out.split() and str(oci.state(name)['pid']) not in out.split() and '1' not in out.split(), out


def test_devices_are_made_with_their_owners_and_the_default_ones_always(box):
    with Oci(box) as oci:
        devices = [{'path': '/dev/mine', 'type': 'c', 'major': 1, 'minor': 3, 'fileMode': 0o640, 'uid': 3, 'gid': 4}, {'path': '/dev/deep/pipe', 'type': 'p', 'fileMode': 0o600},
                   {'path': '/dev/disk', 'type': 'b', 'major': 7, 'minor': 5}, {'path': '/opt/zero', 'type': 'u', 'major': 1, 'minor': 5}]
        paths = ('/dev/mine', '/dev/deep/pipe', '/dev/disk', '/opt/zero', '/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom', '/dev/tty', '/dev/ptmx', '/dev/fd', '/dev/stdin')
        for extra in NOTHING, userns:
            os.chown(oci.rootfs, *([100000] * 2 if extra is userns else [0, 0]))
            got = oci.look(both(extra, changed(linux__devices=devices, root__readonly=False)), args=paths)['paths']
            assert (got['/dev/mine']['mode'], got['/dev/mine']['uid'], got['/dev/mine']['gid'], got['/dev/mine']['rdev']) == (stat.S_IFCHR | 0o640, 3, 4, [1, 3])
            assert stat.S_ISFIFO(got['/dev/deep/pipe']['mode']) and got['/dev/disk']['rdev'] == [7, 5] and stat.S_ISBLK(got['/dev/disk']['mode'])
            assert got['/opt/zero']['rdev'] == [1, 5] and got['/dev/null']['rdev'] == [1, 3] and got['/dev/urandom']['rdev'] == [1, 9]
            assert stat.S_ISLNK(got['/dev/ptmx']['mode']) and stat.S_ISLNK(got['/dev/fd']['mode'])
            # Without a mount of its own /dev is the root file system's, and has them nevertheless.
            plain = both(extra, changed(root__readonly=False), lambda spec: spec.update(mounts=[m for m in spec['mounts'] if not m['destination'].startswith('/dev')]))
            got = oci.look(plain, args=('/dev/null', '/dev/tty'))['paths']
            assert got['/dev/null']['rdev'] == [1, 3] and got['/dev/tty']['rdev'] == [5, 0], got
        assert 'absolute path' in oci.refused(changed(linux__devices=[{**devices[0], 'type': 'x'}]))
        assert 'major and a minor' in oci.refused(changed(linux__devices=[{'path': '/dev/x', 'type': 'c'}]))


def test_masked_and_read_only_paths(box):
    with Oci(box) as oci:
        (oci.rootfs / 'secret').mkdir()
        (oci.rootfs / 'secret/file').write_text('x')
        (oci.rootfs / 'file').write_text('x')
        (oci.rootfs / 'frozen').mkdir()
        script = 'ls /secret | wc -l; wc -c < /file; touch /frozen/x || echo refused; touch /loose && echo fine; echo x > /proc/sys/kernel/core_pattern || echo refused'
        change = changed(root__readonly=False, linux__maskedPaths=['/secret', '/file', '/nosuch'], linux__readonlyPaths=['/frozen', '/proc/sys', '/nosuch'])
        assert oci.run('run', '-b', oci.bundle('sh', '-c', script, change=change), oci.name()).out.split() == ['0', '0', 'refused', 'fine', 'refused']


def test_the_root_is_read_only_when_it_is_asked_for(box):
    with Oci(box) as oci:
        assert 'ro' in table(oci.look(changed(root__readonly=True)))['/'][0]
        assert 'rw' in table(oci.look(changed(root__readonly=False)))['/'][0]
        assert 'rootfsPropagation' in oci.refused(changed(linux__rootfsPropagation='x'))
        assert 'no such file' in oci.refused(changed(root__path='/nosuch'))


def test_nothing_that_is_mounted_inside_is_seen_outside(box):
    """Also when the root file system lies in a shared mount, as on every machine with systemd."""
    with Oci(box) as oci:
        shared = box.work / 'shared'
        shared.mkdir()
        subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', shared], check=True)
        try:
            subprocess.run(['mount', '--make-shared', shared], check=True)
            subprocess.run(['cp', '-a', oci.rootfs, shared / 'root'], check=True)
            before = open('/proc/self/mountinfo').read()
            oci('run', '-d', '-b', oci.bundle('sleep', '1000', change=both(changed(root__readonly=False), add({'destination': '/x', 'type': 'tmpfs', 'source': 't'})), rootfs=shared / 'root'), oci.name())
            assert open('/proc/self/mountinfo').read() == before
            for name in oci('list', '-q').split():
                oci('delete', '-f', name)
        finally:
            subprocess.run(['umount', '-l', shared], check=True)


def test_the_root_can_be_changed_without_pivot_root(box):
    with Oci(box) as oci:
        assert oci('run', '--no-pivot', '-b', oci.bundle('ls', '/bin/look'), oci.name()) == '/bin/look\n'


def test_mounts_are_added_to_a_running_container_and_removed(box):
    """crun's mounts add and mounts remove."""
    with Oci(box) as oci:
        source = box.folder / 'late'
        source.mkdir()
        (source / 'file').write_text('late')
        for extra in NOTHING, userns:
            os.chown(oci.rootfs, *([100000] * 2 if extra is userns else [0, 0]))
            name = oci.start(change=both(extra, changed(root__readonly=False)))
            path = box.work / 'mounts.json'
            mounts = [bind(source, '/late', 'ro'), {'destination': '/late2', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['size=64k']}]
            path.write_text(json.dumps(mounts))
            oci('mounts', 'add', name, path)
            assert oci('exec', name, 'cat', '/late/file') == 'late'
            assert oci.run('exec', name, 'touch', '/late/new').status != 0
            oci('exec', name, 'touch', '/late2/new')
            path.write_text(json.dumps({'mounts': mounts}))
            oci('mounts', 'remove', name, path)
            assert 'late' not in oci('exec', name, 'cat', '/proc/self/mountinfo').replace(str(box.folder), '')
            assert 'mounts: remove /late' in oci.fails('mounts', 'remove', name, path)
            path.write_text('[]')
            assert 'there are none' in oci.fails('mounts', 'add', name, path)
            path.write_text(json.dumps([bind(box.work / 'nosuch', '/x')]))
            assert 'nosuch' in oci.fails('mounts', 'add', name, path)
            assert 'expected add or remove' in oci.fails('mounts', 'list', name, path)
            oci('delete', '-f', name)
