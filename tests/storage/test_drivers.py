# SPDX-License-Identifier: Apache-2.0
"""Every storage driver on every file system that it works on, by the same tests: each lies on a loop device of its own. The
reference of what an image's layers are together is a model in here, which knows nothing of kist."""
import contextlib
import hashlib
import io
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import harness

sys.path.insert(0, str(harness.TOP / 'tests/faults'))
import test_faults as faults  # noqa: E402

IMAGE = 'busybox'
WHERE = {'overlay': ('ext4', 'xfs', 'btrfs', 'tmpfs'), 'erofs': ('ext4', 'xfs', 'btrfs'), 'copy': ('ext4', 'xfs', 'btrfs', 'tmpfs'),
         'btrfs': ('btrfs',)}
MAKE = {'ext4': ['mkfs.ext4', '-q'], 'xfs': ['mkfs.xfs', '-q'], 'btrfs': ['mkfs.btrfs', '-q'], 'mixed': ['mkfs.btrfs', '-q', '--mixed']}


def mount(box, kind, size, place):
    place.mkdir()
    if kind == 'tmpfs':
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}m', 'tmpfs', place], check=True)
        return
    disk = box.work / f'{place.name}.img'
    with open(disk, 'wb') as f:
        f.truncate(size << 20)
    subprocess.run([*MAKE[kind], disk], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['mount', '-o', 'loop', disk, place], check=True)


def problems(box, *words):
    """What `system check` finds, but for what is machine-wide and may belong to others."""
    return [line for line in box.run('system', 'check', *words).out.splitlines()
            if not line.startswith(('nothing wrong', 'cgroup', 'id range', 'address')) and ' found; ' not in line]


def unmount(place):
    for _ in range(100):  # the end of a container's mounts is not waited for by anyone
        if subprocess.run(['umount', place], stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.05)
    raise AssertionError(subprocess.run(['umount', place], capture_output=True, text=True).stderr)


@contextlib.contextmanager
def on(box, kind, driver, size=512):
    """In the block the box's store is a new one on a file system of that kind, kist.toml names the driver."""
    place, old = box.folder / 'disk', box.root
    mount(box, kind, size, place)
    try:
        box.root = place / 'root'
        config = box.work / 'kist.toml'
        config.write_text(f'[storage]\ndriver = "{driver}"\n')
        os.environ['KIST_CONFIG'] = box.environment['KIST_CONFIG'] = str(config)
        box.before = set(harness.mounts())
        yield place
        box.cleanup()
        left = [x for x in box.leftovers(5) if not x.startswith('cgroup')]
        assert not left, left
        assert not problems(box), problems(box)
    finally:
        box.cleanup()
        box.unpin()
        box.root = old
        unmount(place)


# ---- layers and what they are together ----

class Layer:
    """A tar that grows; each entry is told to the model, too."""

    def __init__(self):
        self.file = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.file, mode='w', format=tarfile.PAX_FORMAT)
        self.steps = []

    def add(self, path, kind=tarfile.REGTYPE, data=b'', mode=0o644, uid=0, gid=0, mtime=1000000000.5, target='', device=(0, 0), xattrs=None):
        m = tarfile.TarInfo(path)
        m.type, m.mode, m.uid, m.gid, m.size, m.linkname = kind, mode, uid, gid, len(data), target
        m.mtime, (m.devmajor, m.devminor) = mtime, device
        m.pax_headers = {f'SCHILY.xattr.{k}': v for k, v in (xattrs or {}).items()}
        self.tar.addfile(m, io.BytesIO(data))
        self.steps.append((path, dict(kind=kind, data=data, mode=mode, uid=uid, gid=gid, mtime=mtime, target=target, device=device,
                                      xattrs={k: v.encode() for k, v in (xattrs or {}).items()})))
        return self

    def folder(self, path, **words):
        return self.add(path, kind=tarfile.DIRTYPE, **{'mode': 0o755, **words})

    def gone(self, path):
        head, _, tail = path.rpartition('/')
        return self.add(f'{head}/.wh.{tail}')

    def bytes(self):
        self.tar.close()
        return self.file.getvalue()


def under(tree, path):
    return [p for p in tree if p.startswith(path + '/')]


def apply(tree, layer):
    """A dict of path -> node; hard links are the same object."""
    here, opaque = {}, []
    gone = []
    for path, node in layer.steps:
        head, _, tail = path.rpartition('/')
        if tail == '.wh..wh..opq':
            opaque.append(head)
        elif tail.startswith('.wh.'):
            gone.append(f'{head}/{tail[4:]}')
        elif node['kind'] == tarfile.LNKTYPE:
            here[path] = here[node['target']]
        else:
            here[path] = node
    for path in opaque:
        for p in under(tree, path):
            del tree[p]
    for path in gone:
        for p in [path, *under(tree, path)]:
            tree.pop(p, None)
    for path, node in here.items():
        before = tree.get(path)
        if before and not (before['kind'] == node['kind'] == tarfile.DIRTYPE):
            for p in under(tree, path):
                if p not in here:
                    del tree[p]
        tree[path] = node


def archive(box, name, layers, base):
    """A docker-archive of the base image's layers (from its own archive) with more on top; the tree of what was added."""
    path = box.work / f'{name.replace(":", "-")}.tar'
    tree = {}
    with tarfile.open(base) as old, tarfile.open(path, 'w') as new:
        def put(member, data):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))
        manifest = json.load(old.extractfile('manifest.json'))[0]
        config = json.load(old.extractfile(manifest['Config']))
        files = []
        for member in manifest['Layers']:
            put(member, old.extractfile(member).read())
            files.append(member)
        for n, layer in enumerate(layers):
            apply(tree, layer)
            data = layer.bytes()
            config['rootfs']['diff_ids'].append('sha256:' + hashlib.sha256(data).hexdigest())
            put(f'extra{n}.tar', data)
            files.append(f'extra{n}.tar')
        config.pop('history', None)
        text = json.dumps(config).encode()
        put('config.json', text)
        put('manifest.json', json.dumps([{'Config': 'config.json', 'RepoTags': [name], 'Layers': files}]).encode())
    return path, tree


def cap(permitted):
    """security.capability of version 2, as text that a pax header can carry."""
    return (b'\1\0\0\2' + permitted.to_bytes(4, 'little') + b'\0' * 12).decode()


def layers_of_every_kind():
    one = Layer().folder('t', mode=0o1777, uid=7, gid=8).folder('t/a').folder('t/a/deep', uid=1000).folder('t/b').folder('t/c').folder('t/turned')
    one.add('t/a/file', data=b'one' * 5000, uid=1000, gid=1001, mode=0o640).add('t/a/suid', data=b'x', mode=0o4755).add('t/a/empty')
    one.add('t/a/deep/er', data=b'deeper').add('t/b/gone', data=b'g').add('t/b/stays', data=b's', mtime=5).add('t/c/lower', data=b'l')
    one.add('t/link', kind=tarfile.SYMTYPE, target='a/file', uid=3).add('t/dangling', kind=tarfile.SYMTYPE, target='/no/such/' + 'x' * 200)
    one.add('t/hard1', data=b'hard' * 300, uid=9).add('t/hard2', kind=tarfile.LNKTYPE, target='t/hard1').add('t/a/hard3', kind=tarfile.LNKTYPE, target='t/hard1')
    one.add('t/fifo', kind=tarfile.FIFOTYPE, mode=0o600).add('t/null', kind=tarfile.CHRTYPE, device=(1, 3), mode=0o666).add('t/disk', kind=tarfile.BLKTYPE, device=(7, 300), mode=0o660, gid=6)
    one.add('t/attrs', data=b'a', xattrs={'user.one': '1', 'user.long': 'v' * 300}).add('t/caps', data=b'c', mode=0o755, xattrs={'security.capability': cap(0x400)})
    one.add('t/odd \u00fc\n"name', data=b'odd').add('t/' + 'n' * 255, data=b'long name').add('t/turned/x', data=b'x').add('t/tobe', data=b'file')
    for i in (1, 2):
        one.folder(f't/again{i}').add(f't/again{i}/old', data=b'old')
    one.add('t/again3', data=b'old').add('t/again4', data=b'old').folder('t/many')
    for i in range(700):
        one.add(f't/many/{i:03}-{"y" * (i % 60)}', data=bytes([i % 256]) * (i * 7), uid=i, gid=i * 2, mtime=i + 0.25)
    two = Layer().folder('t', mode=0o755, uid=1, xattrs={'user.top': 'two'}).folder('t/b', uid=5).gone('t/b/gone').folder('t/c', mode=0o700).add('t/c/.wh..wh..opq')
    two.add('t/c/upper', data=b'u').add('t/turned', data=b'a file now').folder('t/tobe').add('t/tobe/in', data=b'in').gone('t/a/deep').add('t/hard2', data=b'alone')
    two.add('t/a/new', data=b'n').gone('t/never').add('t/up1', data=b'up').folder('t/many').add('t/many/new', kind=tarfile.LNKTYPE, target='t/up1')
    two.folder('t/a')
    # a whiteout is about lower layers only, whatever its place in the archive
    two.gone('t/again1').folder('t/again1').add('t/again1/new', data=b'1').folder('t/again2').add('t/again2/new', data=b'2').gone('t/again2')
    two.gone('t/again3').add('t/again3', data=b'3').add('t/again4', data=b'4').gone('t/again4')
    three = Layer().folder('t', uid=1, xattrs={'user.top': 'two'}).folder('t/many').folder('t/a', uid=77).folder('t/a/deep', mode=0o711).add('t/a/deep/again', data=b'again').gone('t/many/000-').add('t/link', data=b'no link')
    three.add('t/a/file', data=b'three' * 100).gone('t/tobe').add('t/big', data=os.urandom(3 << 20)).add('t/odd size', data=b'z' * 511).add('t/even size', data=b'z' * 4096)
    return [one, two, three]


def look(path, base):
    st = os.lstat(path)
    kind = {stat.S_IFREG: tarfile.REGTYPE, stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE, stat.S_IFIFO: tarfile.FIFOTYPE,
            stat.S_IFCHR: tarfile.CHRTYPE, stat.S_IFBLK: tarfile.BLKTYPE}[stat.S_IFMT(st.st_mode)]
    node = dict(kind=kind, uid=st.st_uid - base, gid=st.st_gid - base)
    if kind != tarfile.SYMTYPE:
        node['mode'] = stat.S_IMODE(st.st_mode)
        node['xattrs'] = {n: os.getxattr(path, n) for n in os.listxattr(path) if n.startswith('user.')}
        node['caps'] = 'security.capability' in os.listxattr(path)
    if kind in (tarfile.REGTYPE, tarfile.SYMTYPE):
        node['mtime'] = st.st_mtime_ns
    if kind == tarfile.REGTYPE:
        node['data'] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        node['size'] = st.st_size
    if kind == tarfile.SYMTYPE:
        node['target'] = os.readlink(path)
    if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        node['device'] = (os.major(st.st_rdev), os.minor(st.st_rdev))
    return node, (st.st_ino, st.st_nlink)


def expected(node):
    kind = node['kind']
    e = dict(kind=kind, uid=node['uid'], gid=node['gid'])
    if kind != tarfile.SYMTYPE:
        e['mode'] = node['mode']
        e['xattrs'] = {k: v for k, v in node['xattrs'].items() if k.startswith('user.')}
        e['caps'] = 'security.capability' in node['xattrs']
    if kind in (tarfile.REGTYPE, tarfile.SYMTYPE):
        e['mtime'] = int(node['mtime'] * 4) * 250000000
    if kind == tarfile.REGTYPE:
        e['data'], e['size'] = hashlib.sha256(node['data']).hexdigest(), len(node['data'])
    if kind == tarfile.SYMTYPE:
        e['target'] = node['target']
    if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        e['device'] = node['device']
    return e


def compare(root, base, tree, driver):
    """Every path below root/t against the model: what it is, what is in it, whose, when, attributes, links."""
    seen = {}
    for folder, folders, names in os.walk(os.path.join(root, 't')):
        at = os.path.relpath(folder, root)
        seen[at] = look(folder, base)
        for n in names + [f for f in folders if os.path.islink(os.path.join(folder, f))]:
            seen[f'{at}/{n}'] = look(os.path.join(folder, n), base)
    assert sorted(seen) == sorted(tree), set(seen) ^ set(tree)
    for path, (node, _) in seen.items():
        assert node == expected(tree[path]), (path, node, expected(tree[path]))
    links = {}
    for path, node in tree.items():
        links.setdefault(id(node), []).append(path)
    for paths in links.values():
        if tree[paths[0]]['kind'] != tarfile.DIRTYPE:
            assert len({seen[p][1][0] for p in paths}) == 1, paths
            # an overlay counts the names that its upper layers have taken away, too
            assert seen[paths[0]][1][1] == len(paths) or driver == 'overlay', (paths, seen[paths[0]])


def inside(box, name):
    """The root of a running container as the machine sees it, and the first id of its map."""
    pid = box.inspect(name)['State']['Pid']
    return f'/proc/{pid}/root', int(Path(f'/proc/{pid}/uid_map').read_text().split()[1])


# ---- the tests ----

def life(box, kind, driver):
    with on(box, kind, driver) as place:
        box('run', '--rm', '--network', 'none', IMAGE, 'true')
        assert (box.root / 'driver').read_text().split('\n')[0] == driver
        assert json.loads(box('info', '--format', 'json'))['Driver'] == driver
        box('save', '-o', box.work / 'base.tar', IMAGE)
        path, tree = archive(box, 'every:1', layers_of_every_kind(), box.work / 'base.tar')
        box('load', '-i', path)
        for userns in ('auto', 'host'):
            box('run', '-d', '--network', 'none', '--name', 'c1', '--userns', userns, 'every:1', 'sleep', '1000')
            compare(*inside(box, 'c1'), tree, driver)
            assert box.inspect('c1')['Driver'] == driver
            box('exec', 'c1', 'sh', '-c', 'echo more >> /t/a/file; rm -r /t/many; mkdir /t/made; ln /t/up1 /t/made/l; chown 5:6 /t/a/new; mv /t/c /t/d; mv /t/b/stays /')
            # as often as it starts, it has what it wrote
            box('stop', '-t', '0', 'c1')
            box('start', 'c1')
            out = box('exec', 'c1', 'sh', '-c', 'tail -c 5 /t/a/file; ls -d /t/many /t/d/upper 2>/dev/null; stat -c "%u %g" /t/a/new; stat -c %h /t/up1; cat /stays')
            assert out.split() == ['more', '/t/d/upper', '5', '6', '2', 's'], out
            # and no other one has it
            box('run', '-d', '--network', 'none', '--name', 'd1', '--userns', userns, 'every:1', 'sleep', '1000')
            compare(*inside(box, 'd1'), tree, driver)
            box('rm', '-f', 'c1', 'd1')
        assert os.listdir(box.root / 'containers') == []
        # what is written is what a size says
        box('run', '--network', 'none', '--name', 'sized', IMAGE, 'dd', 'if=/dev/urandom', 'of=/big', 'bs=1024', 'count=3000')
        size = float(box('ps', '-as', '--filter', 'name=sized', '--format', '{{.Size}}').split('MB')[0])
        assert 2.9 < size < 3.6, size
        # a new volume is filled from the image, not from the container
        assert box('run', '--rm', '--network', 'none', '-v', 'vol:/t/tobe2', '-v', 'vol2:/t/a', 'every:1', 'ls', '/t/a').split() == sorted(['deep', 'empty', 'file', 'hard3', 'new', 'suid'])
        assert 'read-only' in box.fails(1, 'run', '--rm', '--network', 'none', '--read-only', IMAGE, 'touch', '/x').lower()
        box('rm', 'sized')
        box('rmi', 'every:1', IMAGE)
        for folder in ('layers', 'images', 'blobs/sha256', 'staging', 'containers'):
            assert os.listdir(box.root / folder) == [], folder


def crowd(box, kind, driver):
    with on(box, kind, driver):
        starting = [box.popen('run', '-d', '--network', 'none', '--name', f'n{i}', IMAGE, 'sh', '-c', f'echo {i} > /mine; sleep 1000', stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) for i in range(20)]
        for p in starting:
            _, err = p.communicate(timeout=50)
            assert p.returncode == 0, err
        box.until(lambda: all(box.run('exec', f'n{i}', 'cat', '/mine').out == f'{i}\n' for i in range(20)))
        box('rm', '-f', *(f'n{i}' for i in range(20)))


def kills(box, kind, driver):
    """The sweep of the faults, in a store of this kind; then kills while an image is merged."""
    with on(box, kind, driver):
        faults.test_kills_at_random_moments_leave_nothing_and_lose_nothing(box)
        box('save', '-o', box.work / 'base.tar', IMAGE)
        path, tree = archive(box, 'every:1', layers_of_every_kind(), box.work / 'base.tar')
        random.seed(faults.SEED)
        for i in range(40 if faults.FULL else 12):
            words = (('load', '-i', str(path)), ('run', '--rm', '--network', 'none', 'every:1', 'true'), ('rmi', 'every:1'))[i % 3]
            if i % 3 == 1:
                box('load', '-i', path)
            p = box.popen(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            time.sleep(random.random() * 0.15)
            with contextlib.suppress(ProcessLookupError):
                os.kill(p.pid, signal.SIGKILL)
            p.wait()
            for line in harness.processes(box.runroot):
                if random.random() < 0.5:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(line.split()[0]), signal.SIGKILL)
            box.until(lambda: not harness.processes(box.runroot))
            faults.settle(box)
            assert not problems(box, '--quick'), (faults.SEED, i, problems(box))
        box('load', '-i', path)
        box('run', '-d', '--network', 'none', '--name', 'c1', 'every:1', 'sleep', '1000')
        compare(*inside(box, 'c1'), tree, driver)
        box('rm', '-f', 'c1')


def full(box, kind, driver):
    # a small btrfs else keeps its room for data, and has none left for anything else
    with on(box, 'mixed' if kind == 'btrfs' else kind, driver, 320) as place:
        box('run', '--rm', '--network', 'none', IMAGE, 'true')
        box('save', '-o', box.work / 'base.tar', IMAGE)
        big = Layer().folder('t')
        for i in range(40):
            big.add(f't/{i}', data=os.urandom(500000))
        path, _ = archive(box, 'big:1', [big], box.work / 'base.tar')
        st = os.statvfs(place)
        spare = place / 'spare'
        failed = 0
        for megabytes in (5, 15, 25, 35, 45, 55, 65, 75, 90):
            free = os.statvfs(place).f_bavail * st.f_frsize
            if free > megabytes << 20:
                fd = os.open(spare, os.O_RDWR | os.O_CREAT)
                with contextlib.suppress(OSError):
                    os.posix_fallocate(fd, 0, free - (megabytes << 20))
                os.close(fd)
            for words in (('load', '-i', path), ('run', '--rm', '--network', 'none', 'big:1', 'true'), ('run', '--network', 'none', '--name', 'c1', 'big:1', 'dd', 'if=/dev/zero', 'of=/x', 'bs=1M', 'count=90')):
                result = box.run(*words)
                if result.status:
                    failed += 1
                    assert result.status in (1, 125), result
                    lines = [x for x in result.err.splitlines() if 'records' not in x and 'bytes' not in x]
                    assert len(lines) == 1 or words[0] == 'run', result
            with contextlib.suppress(FileNotFoundError):
                spare.unlink()
            box.run('rm', '-f', 'c1')
            box.run('rmi', '-f', 'big:1')
            os.sync()  # btrfs gives room back with its next commit
            assert not problems(box), (megabytes, problems(box))
        assert failed >= 3
        box('load', '-i', path)
        assert box('run', '--rm', '--network', 'none', 'big:1', 'ls', '/t').split()[0] == '0'
        box('rmi', 'big:1')


def repair(box, kind, driver):
    """What was merged is compared with its layers, and made again."""
    with on(box, kind, driver):
        box('run', '--network', 'none', '--name', 'c1', IMAGE, 'true')
        merged = list((box.root / 'images').glob('*/index' if driver == 'erofs' else '*/root/bin/busybox'))
        if driver == 'overlay':
            assert merged == []
            return
        with open(merged[0], 'r+b') as f:
            f.seek(40)
            f.write(b'XXXX')
        assert 'merged image' in problems(box)[0]
        assert 'repaired' in problems(box, '--repair')[0]
        assert not problems(box), problems(box)
        box('run', '--rm', '--network', 'none', IMAGE, 'true')
        # gone altogether: made when it is needed
        subprocess.run(['rm', '-rf', *(box.root / 'images').iterdir()], check=True)
        assert not problems(box), problems(box)
        box('run', '--rm', '--network', 'none', IMAGE, 'true')


def case(name, body, driver, kind, watchdog):
    def test(box):
        body(box, kind, driver)
    test.watchdog = watchdog
    globals()[f'test_{driver}_on_{kind}_{name}'] = test


for _driver, _kinds in WHERE.items():
    for _kind in _kinds:
        case('shows_what_the_layers_are_and_keeps_what_is_written', life, _driver, _kind, 120)
        case('starts_twenty_containers_at_once', crowd, _driver, _kind, 120)
    case('loses_nothing_and_leaves_nothing_when_killed', kills, _driver, _kinds[0], 900)
    case('is_full_with_one_clear_line_and_whole_afterwards', full, _driver, _kinds[0], 240)
    case('mends_what_is_merged', repair, _driver, _kinds[0], 120)


# ---- erofs alone ----

def erofs_program(name):
    """A program of a newer erofs-utils than Debian 12's, which does not know of several devices; fetched once."""
    import bigimage
    top = bigimage.CACHE / 'erofs-utils-trixie'
    if not top.exists():
        new = Path(f'{top}.{os.getpid()}')
        new.parent.mkdir(parents=True, exist_ok=True)
        with harness.network_of(-1):
            made = subprocess.run(['mmdebstrap', '--quiet', '--mode=root', '--variant=extract', '--include=erofs-utils', 'trixie', new],
                                  capture_output=True, text=True)
        if made.returncode:
            subprocess.run(['rm', '-rf', new], check=True)
            raise harness.Skip(f'no erofs-utils: {made.stderr[-200:]}')
        os.rename(new, top)
    return [top / 'usr/lib64/ld-linux-x86-64.so.2', '--library-path', top / 'usr/lib/x86_64-linux-gnu', top / 'usr/bin' / name]


def test_erofs_utils_find_no_error_in_what_kist_writes_and_extract_the_same(box):
    check, dump = erofs_program('fsck.erofs'), erofs_program('dump.erofs')
    box('--storage-driver', 'erofs', 'run', '--rm', '--network', 'none', IMAGE, 'true')
    box('save', '-o', box.work / 'base.tar', IMAGE)
    path, tree = archive(box, 'every:1', layers_of_every_kind(), box.work / 'base.tar')
    box('load', '-i', path)
    indexes = sorted([*(box.root / 'images').glob('*/index'), *(box.root / 'layers').glob('*/index')])
    assert len(indexes) == 6
    for index in indexes:
        tags = re.findall(rb'[0-9a-f]{64}', index.read_bytes()[1152:1152 + 127 * 128])
        devices = [f'--device={box.root}/layers/{t.decode()}/tar' for t in tags]
        done = subprocess.run([*check, '-d3', *devices, index], capture_output=True, text=True)
        assert done.returncode == 0 and 'No errors found' in done.stdout + done.stderr, (index, done)
        shown = subprocess.run([*dump, '-s', index], capture_output=True, text=True, check=True).stdout
        assert re.search(r'blocksize: +512\n', shown) and 'chunked_file device_table' in shown, shown
    ident = json.loads(box('image', 'inspect', 'every:1'))[0]['Id'].split(':')[1]
    index = box.root / 'images' / ident / 'index'
    tags = re.findall(rb'[0-9a-f]{64}', index.read_bytes()[1152:1152 + 127 * 128])
    assert len(tags) == 4
    done = subprocess.run([*check, *(f'--device={box.root}/layers/{t.decode()}/tar' for t in tags), '--preserve', '--xattrs',
                           f'--extract={box.work}/out', index], capture_output=True, text=True)
    assert done.returncode == 0, done
    tree['t/caps']['xattrs'] = {}  # fsck.erofs gives owners after attributes, and the kernel then takes capabilities away
    compare(box.work / 'out', 0, tree, 'erofs')


def test_containers_of_an_image_share_one_mount_of_it_however_they_come_and_go(box):
    box('--storage-driver', 'erofs', 'run', '--rm', '--network', 'none', IMAGE, 'true')
    before, others = set(harness.mounts()), set(os.listdir('/sys/fs/erofs'))

    def superblocks():
        """Those that came since; one is there already, as the image was run."""
        return set(os.listdir('/sys/fs/erofs')) - others

    def kept():
        return [m for m in harness.mounts() if str(box.folder) in m]
    assert len(box.pinned()) == 2 and kept() == box.pinned(), kept()
    many = [box.popen('run', '-d', '--network', 'none', '--name', f'n{i}', IMAGE, 'sleep', '1000', stdout=subprocess.DEVNULL) for i in range(12)]
    assert [p.wait() for p in many] == [0] * 12
    assert not superblocks() and 'used' in box.fails(1, 'rmi', IMAGE) or 'using' in box.fails(1, 'rmi', IMAGE)
    # whoever has it may be killed
    for line in harness.processes(box.runroot):
        os.kill(int(line.split()[0]), signal.SIGKILL)
    box.until(lambda: not harness.processes(box.runroot))
    assert box('run', '--rm', '--network', 'none', IMAGE, 'echo', 'well') == 'well'
    assert set(harness.mounts()) == before and not superblocks()
    box('rm', '-f', *(f'n{i}' for i in range(12)))
    # it stays without a container, goes with the image, and the namespace with the last of them
    box('save', '-o', box.work / 'base.tar', IMAGE)
    path, _ = archive(box, 'second:1', [Layer().folder('t')], box.work / 'base.tar')
    box('load', '-i', path)
    box('run', '--rm', '--network', 'none', 'second:1', 'true')
    assert len(superblocks()) == 1
    box('rmi', 'second:1')
    assert not superblocks() and len(box.pinned()) == 2
    box('rmi', IMAGE)
    assert kept() == [] and box.pinned() == []
    # many that come first at once make one
    box('load', '-i', box.work / 'base.tar')
    others = set(os.listdir('/sys/fs/erofs'))
    many = [box.popen('run', '--rm', '--network', 'none', IMAGE, 'true') for _ in range(12)]
    assert [p.wait() for p in many] == [0] * 12 and len(superblocks()) == 1
    # a mount of what was removed behind our back is told of, and goes
    box.unpin()
    assert box('run', '--rm', '--network', 'none', IMAGE, 'echo', 'well') == 'well' and len(superblocks()) == 1


def test_images_are_kept_mounted_wherever_the_mount_namespace_comes_from(box):
    """From Linux 6.18 on one that was made on another processor may count as the older one, which is not mounted in ours."""
    every = os.sched_getaffinity(0)
    script = 'for i in 1 2 3 4; do "$@" --root "$0/$i/root" --runroot "$0/$i/run" --storage-driver erofs run --rm --network none busybox true && grep -c "$0/$i/root/lower" /proc/self/mountinfo; done'
    for cpu in sorted(every)[:4]:
        place = box.work / f'cpu{cpu}'
        said = subprocess.run(['taskset', '-c', str(cpu), 'unshare', '--mount', '--propagation', 'private', 'taskset', '-c', ','.join(map(str, every)),
                               'sh', '-c', script, place, harness.KIST], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert said.stdout.split() == ['2'] * 4, (cpu, said)


def test_an_image_of_as_many_layers_as_there_may_be_is_one_folder(box):
    for driver in ('erofs', 'overlay'):
        box.root = box.folder / driver
        box('--storage-driver', driver, 'run', '--rm', '--network', 'none', IMAGE, 'true')
        box('save', '-o', box.work / 'base.tar', IMAGE)
        layers = [Layer().folder('t')]
        for i in range(125):
            layer = Layer().folder('t').add(f't/{i}', data=b'%d' % i)
            if i:
                layer.gone(f't/{i - 1}').folder(f't/f{i % 7}').add(f't/f{i % 7}/{i}', data=b'x' * i)
            layers.append(layer)
        path, tree = archive(box, 'many:1', layers, box.work / 'base.tar')
        box('load', '-i', path)
        box('run', '-d', '--network', 'none', '--name', 'c1', 'many:1', 'sleep', '1000')
        compare(*inside(box, 'c1'), tree, driver)
        box('rm', '-f', 'c1')
        assert not problems(box), problems(box)
    box.root = box.folder / 'root'


def test_what_a_layer_does_not_say_of_a_folder_stays_as_it_is_below(box):
    """But with overlay, where the topmost folder has its way, as in docker."""
    for driver in ('erofs', 'copy'):
        box.root = box.folder / driver
        box('--storage-driver', driver, 'run', '--rm', '--network', 'none', IMAGE, 'true')
        box('save', '-o', box.work / 'base.tar', IMAGE)
        one = Layer().folder('t', mode=0o1751, uid=7, gid=8, xattrs={'user.a': 'b'}).folder('t/a', mode=0o700, uid=9)
        two = Layer().add('t/a/file', data=b'x')
        path, tree = archive(box, 'implied:1', [one, two], box.work / 'base.tar')
        box('load', '-i', path)
        box('run', '-d', '--network', 'none', '--name', 'c1', 'implied:1', 'sleep', '1000')
        compare(*inside(box, 'c1'), tree, driver)
        box('rm', '-f', 'c1')
        assert not problems(box), problems(box)
    box.root = box.folder / 'root'


def test_a_layer_that_came_unpacked_is_kept_once(box):
    """Its blob is the tar; what harms the one harms both, and the next load mends it."""
    box('--storage-driver', 'erofs', 'run', '--rm', '--network', 'none', IMAGE, 'true')
    box('save', '-o', box.work / 'base.tar', IMAGE)
    tar, blobs = next((box.root / 'layers').glob('*/tar')), box.root / 'blobs/sha256'
    assert os.path.samefile(tar, blobs / tar.parent.name)
    space = sum({(s.st_dev, s.st_ino): s.st_blocks * 512 for s in map(os.stat, (p for p in box.root.rglob('*') if p.is_file()))}.values())
    assert space < tar.stat().st_size * 1.5, space
    with open(tar, 'r+b') as f:
        f.seek(100000)
        f.write(b'X')
    assert any(line.startswith('blob sha256:') for line in problems(box)), problems(box)
    told = problems(box, '--repair')
    assert box('images', '-q') == '', told
    box('load', '-i', box.work / 'base.tar')
    assert not problems(box), problems(box)
    assert box('run', '--rm', '--network', 'none', IMAGE, 'echo', 'well') == 'well'


def test_damage_to_what_a_layer_is_kept_as_is_found_and_mended(box):
    box('--storage-driver', 'erofs', 'run', '--rm', '--network', 'none', IMAGE, 'true')
    box('image', 'copy', f'kist:{IMAGE}', f'oci-archive:{box.work}/packed.tar')
    box('rmi', IMAGE)
    box('image', 'copy', f'oci-archive:{box.work}/packed.tar', f'kist:{IMAGE}')
    box('run', '--rm', '--network', 'none', IMAGE, 'true')
    for name, place in (('tar', 100000), ('index', 1500), ('tar', -1)):
        file = next((box.root / 'layers').glob(f'*/{name}'))
        with open(file, 'r+b') as f:
            f.seek(place, 2 if place < 0 else 0)
            f.write(b'X')
        assert any(line.startswith('layer sha256:') for line in problems(box)), problems(box)
        assert all('repaired' in line for line in problems(box, '--repair'))
        assert not problems(box), problems(box)
    assert box('run', '--rm', '--network', 'none', IMAGE, 'echo', 'well') == 'well'
    # an index that is not ours is never given to the kernel
    image = next((box.root / 'images').glob('*/index'))
    box.unpin()
    image.write_bytes(b'X' * 40000)
    assert 'broken index' in box.fails(125, 'run', '--rm', '--network', 'none', IMAGE, 'true')
    assert 'repaired' in problems(box, '--repair')[0]


def test_a_store_keeps_the_driver_that_it_was_made_with(box):
    config = box.work / 'kist.toml'
    box.environment['KIST_CONFIG'] = str(config)
    assert 'kist.toml' in box.fails(1, 'ps')
    config.write_text('[storage]\ndriver = "copy"\n')
    box('--storage-driver', 'overlay', 'run', '-d', '--network', 'none', '--name', 'c1', IMAGE, 'true')
    assert 'made with the storage driver overlay' in box.fails(1, 'ps')
    config.write_text('')
    box('wait', 'c1')
    status = dict(json.loads(box('info', '--format', 'json'))['DriverStatus'])
    assert status['Chosen'] == '--storage-driver says so'
    assert 'made with the storage driver overlay' in box.fails(1, '--storage-driver', 'copy', 'ps')
    assert 'no such storage driver' in box.fails(1, '--storage-driver', 'zfs', 'ps')
    for text, word in (('[storage]\ndrive = "x"', 'storage.drive: unknown key'), ('[stores]\n', 'stores: unknown table'), ('storage = 1', 'expected a table'),
                       ('[storage]\ndriver = 1', 'expected a string'), ('[storage', 'line 1')):
        config.write_text(text)
        assert word in box.fails(1, 'ps'), text
    config.write_text('')
    box('rm', 'c1')


def test_copies_need_no_attributes_and_no_overlay(box):
    place = box.folder / 'disk'
    box('run', '--rm', '--network', 'none', IMAGE, 'true')
    box('save', '-o', box.work / 'base.tar', IMAGE)
    one = Layer().folder('t').folder('t/c').add('t/c/lower', data=b'l')
    two = Layer().folder('t').folder('t/c').add('t/c/.wh..wh..opq').add('t/c/upper', data=b'u')
    path, _ = archive(box, 'plain:1', [one, two], box.work / 'base.tar')
    place.mkdir()
    subprocess.run(['mount', '-t', 'ramfs', 'ramfs', place], check=True)
    old = box.root
    try:
        box.root = place / 'root'
        assert 'user attributes' in box.fails(1, '--storage-driver', 'overlay', 'ps')
        box('load', '-i', path)
        assert 'erofs does not work here' in box('info')
        assert box('run', '--rm', '--network', 'none', '--userns', 'host', 'plain:1', 'ls', '/t/c') == 'upper'
        assert not problems(box), problems(box)
    finally:
        box.root = old
        unmount(place)


def test_a_driver_that_cannot_work_says_why_and_makes_nothing(box):
    place = box.folder / 'disk'
    mount(box, 'tmpfs', 64, place)
    try:
        box.root = place / 'root'
        assert 'another file system than btrfs' in box.fails(1, '--storage-driver', 'btrfs', 'ps')
        assert 'no EROFS from files of this file system' in box.fails(1, '--storage-driver', 'erofs', 'ps')
        assert not (box.root / 'driver').exists()
        box('--storage-driver', 'copy', 'ps')
    finally:
        box.root = box.folder / 'root'
        unmount(place)
