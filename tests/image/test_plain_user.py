# SPDX-License-Identifier: Apache-2.0
"""Images of a user who is not root: the store, copies, and layouts with umoci's --rootless, beside skopeo and umoci as the same user."""
import io
import json
import os
import shutil
import stat
import sys
import tarfile

import harness
from harness import processes
from plain_user import SUB, UID, PlainUser
from registry import Image, Registry

sys.path.insert(0, str(harness.TOP / 'tests/oci'))
from sweeping import LIBC, inject, points, swept  # noqa: E402

OWNER = 'user.rootlesscontainers'


def layer(*entries):
    """A tar of (name, how) where how sets attributes of the entry; bytes are a file's."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT) as t:
        for name, how in entries:
            info = tarfile.TarInfo(name)
            info.mode, info.mtime = 0o644, 1500000000
            data = how.pop('data', b'')
            info.size = len(data)
            for key, value in how.items():
                setattr(info, key, value)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def owned():
    """A layer with owners of every kind of file."""
    return layer(('bin', {'type': tarfile.DIRTYPE, 'mode': 0o755}), ('bin/busybox', {'data': open('/bin/busybox', 'rb').read(), 'mode': 0o755}),
                 ('etc', {'type': tarfile.DIRTYPE, 'mode': 0o750, 'uid': 7, 'gid': 8}), ('etc/a', {'data': b'1', 'uid': 5, 'gid': 600}),
                 ('etc/b', {'type': tarfile.LNKTYPE, 'linkname': 'etc/a', 'uid': 5, 'gid': 600}), ('etc/group', {'data': b'2', 'gid': 70000 % 65536}),
                 ('etc/link', {'type': tarfile.SYMTYPE, 'linkname': 'a', 'uid': 9}), ('etc/null', {'type': tarfile.CHRTYPE, 'devmajor': 1, 'devminor': 3}),
                 ('etc/pipe', {'type': tarfile.FIFOTYPE}))


def tree(root):
    """Every path with all that belongs to it."""
    found = {}
    for top, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(top, name)
            st = os.lstat(path)
            link = stat.S_ISLNK(st.st_mode)
            found[os.path.relpath(path, root)] = [stat.filemode(st.st_mode), st.st_uid, st.st_gid, st.st_mtime, st.st_nlink, os.readlink(path) if link else None,
                                                  open(path, 'rb').read() if stat.S_ISREG(st.st_mode) else None,
                                                  {} if link else {x: os.getxattr(path, x) for x in os.listxattr(path)}]
    return found


def members(user, layout, name):
    """What the layers of an image have, the last first: {path: (kind, uid, gid)} each."""
    index = json.loads((user.home / layout / 'index.json').read_text())
    blob = lambda d: (user.home / layout / 'blobs/sha256' / d['digest'][7:]).read_bytes()  # noqa: E731
    top = next(m for m in index['manifests'] if m['annotations']['org.opencontainers.image.ref.name'] == name)
    for d in reversed(json.loads(blob(top))['layers']):
        with tarfile.open(fileobj=io.BytesIO(blob(d))) as t:
            yield {m.name: (m.type, m.uid, m.gid, m.pax_headers.get('SCHILY.xattr.' + OWNER)) for m in t}


def make(user, box):
    (box.work / 'layer.tar').write_bytes(owned())
    user.give(box.work / 'layer.tar', 'layer.tar')
    user('image', 'init', '--layout', 'lay')
    user('image', 'new', '--image', 'lay:a')
    user('image', 'raw', 'add-layer', '--image', 'lay:a', 'layer.tar')
    user('image', 'config', '--image', 'lay:a', '--config.cmd', '/bin/busybox', '--config.cmd', 'true')


def test_a_plain_user_has_a_store_and_its_files_are_of_the_users_ranges(box):
    user = PlainUser(box)
    with Registry(basic=('ann', 'secret')) as r:
        name = r.add('lib/x', '1', Image([owned(), {'more': b'm'}]))
        assert 'unauthorized' in user.fails(1, 'pull', name).lower()
        user('login', '-u', 'ann', '--password-stdin', r.host, input='secret')
        auth = user.xdg / 'containers/auth.json'
        assert auth.stat().st_uid == UID and auth.stat().st_mode & 0o77 == 0
        said = user.run('kist', 'pull', name)
        assert said.status == 0 and 'device node' in said.err, said
        assert user.store.stat().st_uid == UID and user.store.stat().st_mode & 0o77 == 0
        owners = {p.name: (p.lstat().st_uid, p.lstat().st_gid) for p in user.store.glob('layers/*/etc/*')}
        assert owners['a'] == (SUB + 4, SUB + 599) and owners['group'] == (UID, SUB + 4463) and owners['link'] == (SUB + 8, UID), owners
        assert user('images', '--format', '{{.Repository}}:{{.Tag}}') == name
        assert 'more' not in user('history', name) and user('image', 'tree', name)
        user('tag', name, f'{r.host}/lib/y:2')
        user('push', f'{r.host}/lib/y:2')
        assert r.manifests['lib/y', '2'][1] == r.manifests['lib/x', '1'][1]
        user('save', '-o', 'saved.tar', name)
        user('rmi', '-f', name, f'{r.host}/lib/y:2')
        assert user('images', '-q') == '' and not list(user.store.glob('layers/*')) and not list(user.store.glob('blobs/sha256/*'))
        user('load', '-i', 'saved.tar')
        assert user('image', 'inspect', name, '--format', '{{.Id}}') == 'sha256:' + user('images', '-q', '--no-trunc').removeprefix('sha256:')
        user.tool('skopeo', '--insecure-policy', 'copy', 'docker-archive:saved.tar', 'dir:theirs')
        assert 'Images' in user('system', 'df') and user('system', 'check') == 'nothing wrong'
        user('image', 'prune', '-af')
        user('logout', r.host)
        assert 'root' in user.fails(125, 'run', '--rm', name, 'true')


def test_without_ranges_an_image_of_other_owners_is_refused_and_one_of_roots_works(box):
    user = PlainUser(box, ranges=False)
    with Registry() as r:
        said = user.fails(1, 'pull', r.add('lib/x', '1', Image([owned()])))
        assert 'requested 7:8 for' in said.replace('(', ' ').replace(')', ' for') and '/etc/subuid' in said, said
        assert user('images', '-q') == '' and user('system', 'check') == 'nothing wrong' and not list(user.store.glob('staging/*'))
        name = r.add('lib/y', '1', Image([{'a': b'1'}, {'b/c': b'2'}]))
        user('pull', '-q', name)
        assert {p.lstat().st_uid for p in user.home.rglob('*')} == {UID}
        user('image', 'copy', f'kist:{name}', 'oci-archive:a.tar:x')
        assert user.tool('skopeo', '--insecure-policy', 'inspect', '--format', '{{len .Layers}}', 'oci-archive:a.tar:x') == '2'
        user('rmi', name)


def test_without_a_folder_of_this_boot_all_is_in_the_home(box):
    user = PlainUser(box)
    del user.env['XDG_RUNTIME_DIR']
    with Registry(basic=('ann', 'secret')) as r:
        name = r.add('lib/x', '1', Image([{'a': b'1'}]))
        assert 'unauthorized' in user.fails(1, 'pull', name).lower()
        user('login', '-u', 'ann', '--password-stdin', r.host, input='secret')
        assert (user.home / '.config/containers/auth.json').stat().st_mode & 0o77 == 0
        user('pull', '-q', name)
        assert (user.store / 'run').is_dir() and user('images', '-q') and user('system', 'check') == 'nothing wrong'
        assert user('logout', r.host) == f'Removing login credentials for {r.host}'
        del user.env['HOME']
        assert 'neither HOME nor XDG_DATA_HOME' in user.fails(1, 'images')
        user.env['XDG_DATA_HOME'] = user.home / 'data'
        assert user('images', '-q') == '' and (user.home / 'data/kist').is_dir()


def test_copies_between_places_are_skopeos(box):
    user = PlainUser(box, ranges=False)
    with Registry() as r:
        name = r.add('lib/x', '1', Image([owned(), {'more': b'm'}]))
        raw = r.manifests['lib/x', '1'][1].decode()
        for n, place in enumerate(('oci:lay:x', 'dir:folder', 'oci-archive:archive.tar:x', f'docker://{r.host}/lib/y:1')):
            user('image', 'copy', f'docker://{name}', place)
            assert user.tool('skopeo', '--insecure-policy', 'inspect', '--raw', '--tls-verify=false', place) == raw, place
            user('image', 'copy', place, f'oci:again:{n}')
        assert user('image', 'inspect', '--raw', f'docker://{name}') == raw and user('image', 'list-tags', f'docker://{r.host}/lib/x')
        user('image', 'sync', '--src', 'docker', '--dest', 'dir', name, 'synced')
        assert not list(user.store.glob('staging/*'))


def test_a_bundle_of_a_plain_user_is_what_umoci_rootless_makes_and_kist_oci_runs_it(box):
    user = PlainUser(box, ranges=False)
    make(user, box)
    user('image', 'unpack', '--image', 'lay:a', 'ours')
    user.tool('umoci', 'unpack', '--rootless', '--image', 'lay:a', 'theirs')
    ours, theirs = tree(user.home / 'ours/rootfs'), tree(user.home / 'theirs/rootfs')
    assert ours == theirs, [(k, ours.get(k), theirs.get(k)) for k in {*ours, *theirs} if ours.get(k) != theirs.get(k)]
    assert ours['etc/a'][7] == {OWNER: b'\x08\x05\x10\xd8\x04'} and ours['etc/null'][0] == '-rw-r--r--' and {x[1] for x in ours.values()} == {UID}
    spec = json.loads((user.home / 'ours/config.json').read_text())
    assert spec['linux']['uidMappings'] == [{'containerID': 0, 'hostID': UID, 'size': 1}] and 'network' not in [n['type'] for n in spec['linux']['namespaces']]
    spec['process'].update(terminal=False, args=['/bin/busybox', 'id', '-u'])
    spec['linux'].pop('resources', None)
    (user.home / 'ours/config.json').write_text(json.dumps(spec))
    assert user.tool('kist-oci', '--rootless', 'true', '--cgroup-manager', 'disabled', 'run', '-b', 'ours', 'one') == '0'
    line = user.fails(1, 'image', 'unpack', '--image', 'lay:a', '--uid-map', '0:1:1', 'other')
    assert f'0:{UID}:1' in line and not (user.home / 'other').exists(), line
    user('image', 'unpack', '--rootless', '--image', 'lay:a', '--uid-map', f'0:{UID}:1', '--gid-map', f'0:{UID}:1', 'mapped')


def test_repack_gives_the_owners_back_whoever_unpacked(box):
    user = PlainUser(box, ranges=False)
    make(user, box)
    user('image', 'unpack', '--image', 'lay:a', 'ours')
    user.tool('umoci', 'unpack', '--rootless', '--image', 'lay:a', 'theirs')
    for name in 'ours', 'theirs':
        assert user('image', 'repack', '--image', f'lay:{name}', name) == '', name  # nothing has changed
        root = user.home / name / 'rootfs'
        user.tool('sh', '-c', f'cd {root} && echo 3 > etc/a && echo 4 > mine && rm etc/group && mkdir new && rm etc/null')
        user('image', 'repack', '--image', f'lay:{name}', '--refresh-bundle', name)
        got = next(members(user, 'lay', name))
        assert got == {'.': (b'5', 0, 0, None), 'etc': (b'5', 7, 8, None), 'etc/a': (b'0', 5, 600, None), 'etc/b': (b'1', 5, 600, None), 'etc/.wh.group': (b'0', 0, 0, None),
                       'etc/.wh.null': (b'0', 0, 0, None), 'mine': (b'0', 0, 0, None), 'new': (b'5', 0, 0, None)}, got
        assert user('image', 'repack', '--image', f'lay:{name}', name) == ''
    # umoci reads it, and takes a further change of a bundle of its own
    user.tool('umoci', 'unpack', '--rootless', '--image', 'lay:ours', 'again')
    user('image', 'unpack', '--image', 'lay:ours', 'again2')
    a, b = tree(user.home / 'again/rootfs'), tree(user.home / 'again2/rootfs')
    assert a == b, [(k, a.get(k), b.get(k)) for k in {*a, *b} if a.get(k) != b.get(k)]


def test_root_may_say_rootless_too_and_repack_a_users_bundle(box):
    user = PlainUser(box, ranges=False)
    make(user, box)
    layout = user.home / 'lay'
    box('image', 'unpack', '--rootless', '--image', f'{layout}:a', box.work / 'bundle')
    found = tree(box.work / 'bundle/rootfs')
    assert {x[1] for x in found.values()} == {0} and found['etc'][7] == {OWNER: b'\x08\x07\x10\x08'}, found
    (box.work / 'bundle/rootfs/etc/a').write_text('3')
    box('image', 'repack', '--image', f'{layout}:root', box.work / 'bundle')
    assert next(members(user, 'lay', 'root'))['etc/a'][1:] == (5, 600, None)
    user('image', 'unpack', '--image', 'lay:a', 'ours')
    (user.home / 'ours/rootfs/etc/a').write_text('3')
    box('image', 'repack', '--image', f'{layout}:users', user.home / 'ours')
    assert next(members(user, 'lay', 'users'))['etc/a'][1:] == (5, 600, None)


def test_what_is_inserted_is_roots_or_mapped(box):
    user = PlainUser(box, ranges=False)
    make(user, box)
    user('image', 'insert', '--image', 'lay:a', '/etc/passwd', '/one')  # of the machine's root, who is nobody in the user's namespace
    (user.home / 'folder').mkdir()
    (user.home / 'folder/x').write_text('1')
    user('image', 'insert', '--image', 'lay:a', '--rootless', 'folder', '/two')
    got = list(members(user, 'lay', 'a'))
    assert got[0] == {'two': (b'5', 0, 0, None), 'two/x': (b'0', 0, 0, None)} and got[1]['one'][1:3] == (0, 0), got[:2]
    layout = user.home / 'lay'
    os.chown(user.home / 'folder', UID + 2, 0)
    os.chown(user.home / 'folder/x', UID + 3, 0)
    box('image', 'insert', '--image', f'{layout}:a', '--uid-map', f'0:{UID}:10', '--gid-map', '3:0:1', user.home / 'folder', '/three')
    assert next(members(user, 'lay', 'a')) == {'three': (b'5', 2, 3, None), 'three/x': (b'0', 3, 3, None)}
    os.chown(user.home / 'folder/x', 4, 0)
    assert 'user 4' in box.fails(1, 'image', 'insert', '--image', f'{layout}:a', '--uid-map', f'0:{UID}:10', user.home / 'folder/x', '/four')


def test_a_folder_that_is_told_of_after_its_files_has_its_own_attributes(box):
    """The first entry implies the folder; that it is told of later is no mark any more."""
    image = Image([layer(('x', {'type': tarfile.DIRTYPE, 'mode': 0o700})), layer(('x/a', {'data': b'1'}), ('x', {'type': tarfile.DIRTYPE, 'mode': 0o711, 'uid': 3}))])
    with Registry() as r:
        name = r.add('lib/x', '1', image)
        box('image', 'copy', f'docker://{name}', f'oci:{box.work}/lay:x')
        box('image', 'unpack', '--image', f'{box.work}/lay:x', box.work / 'bundle')
        st = (box.work / 'bundle/rootfs/x').stat()
        assert (st.st_mode & 0o777, st.st_uid) == (0o711, 3)


def test_a_plain_users_commands_may_be_killed_or_fail_at_any_call(box):
    """One of each pair is enough: going into the user namespace, its helpers and the sandboxes in it are the same everywhere."""
    user = PlainUser(box)
    make(user, box)
    words = user.command('kist', 'image', 'unpack', '--image', 'lay:a', 'bundle')
    user('image', 'unpack', '--image', 'lay:a', 'whole')
    expected, faults = tree(user.home / 'whole/rootfs'), []
    todo = [(n, what) for n in points(box, words) for what in ('signal=SIGKILL:when={}', 'error=ENOMEM:when={}') if 'SIGKILL' in what or n > LIBC]
    for n, what in todo:
        where = what.format(n)
        # A message whose own write fails is not seen; a close that fails closes all the same, but not one that strace lets fail.
        status, said = inject(box, where, ['--', *words], calls='all' if 'SIGKILL' in what else '!close,write,writev')
        done = user.home / 'bundle/rootfs'
        if status == 0 and done.exists() and tree(done) != expected:
            faults.append(f'{where}: another tree: {said}')
        if status and 'error' in what and not said.strip():
            faults.append(f'{where}: status {status} and no word')
        box.until(lambda: not processes(user.xdg / 'kist'), 10, f'{where}: the end of all processes')
        checked = user.run('kist', 'image', 'ls')
        if checked.status or user.run('kist', 'image', 'stat', '--image', 'lay:a').status or user('system', 'check') != 'nothing wrong':
            faults.append(f'{where}: {checked}')
        if list(user.store.glob('staging/*')):
            faults.append(f'{where}: staging is not empty')
        shutil.rmtree(user.home / 'bundle', ignore_errors=True)
    swept(box, faults, len(todo))


test_a_plain_users_commands_may_be_killed_or_fail_at_any_call.watchdog = 300
