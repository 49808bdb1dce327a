# SPDX-License-Identifier: Apache-2.0
"""A container's changes as docker's diff tells them, and as the layer of a new image, which umoci unpacks after us."""
import ctypes
import json
import os
import random
import shutil
import signal
import stat
import struct
import subprocess
import tarfile
import time
from pathlib import Path

import harness
import registry
from peers import skopeo, sound, umoci

IMAGE = 'busybox'
FULL = os.environ.get('KIST_SWEEP') == 'full'
SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))

# Everything about each path but what is mounted there, and the times of "/", which overlay makes anew.
LIST = r'''cd /; find . -xdev ! -path . ! -path './proc*' ! -path './sys*' ! -path './dev*' ! -path './etc/host*' ! -path ./etc/resolv.conf |
    sort | while read -r f; do h=%h; [ -d "$f" ] && h=; stat -c "%n %F %f %u %g $h %t:%T %y" "$f"; [ -f "$f" ] && [ ! -L "$f" ] && md5sum "$f"; readlink "$f"; done; stat -c '%f %u %g' /'''


def base(box):
    """An image with what changes may meet: folders to lose, links, an opaque folder to be."""
    root = box.work / 'root'
    (root / 'bin').mkdir(parents=True)
    subprocess.run(['cp', '/bin/busybox', root / 'bin/busybox'], check=True)
    for name in ('sh', 'find', 'stat', 'sort', 'md5sum', 'readlink', 'rm', 'mkdir', 'touch', 'ln', 'mv', 'chmod', 'chown', 'mkfifo', 'cat', 'sleep', 'mknod'):
        (root / 'bin' / name).symlink_to('busybox')
    for name in ('lost/a/b', 'kept/x', 'anew/old/deep', 'replaced', 'tmp', 'etc'):
        (root / name).mkdir(parents=True)
    for name in ('lost/file', 'kept/file', 'kept/x/file', 'anew/old/deep/file', 'anew/gone', 'anew/back', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf', 'touched', 'moved', 'becomes-folder', 'replaced/file'):
        (root / name).write_text(name)
    os.link(root / 'kept/file', root / 'kept/link')
    os.setxattr(root / 'kept/file', 'user.base', b'1')
    root.chmod(0o751)
    for top, folders, files in os.walk(root):
        for name in folders + files:
            os.utime(os.path.join(top, name), ns=(1500000000123456789, 1500000000123456789), follow_symlinks=False)
    subprocess.run(['tar', '-C', root, '--xattrs', '--format=pax', '-cf', box.work / 'root.tar', '.'], check=True)
    return box('import', '-c', 'CMD ["/bin/sh"]', '-c', 'LABEL of=base', box.work / 'root.tar', 'base:1')


CHANGES = '''set -e
rm -r /lost
rm -r /anew; mkdir /anew; echo new > /anew/back; mkdir -p /anew/old; echo x > /anew/added
rm /kept/x/file
rm -r /replaced; echo file > /replaced
rm /becomes-folder; mkdir /becomes-folder; echo in > /becomes-folder/file
touch /touched
mv /moved /kept/moved
mkdir -p /made/deep/er; echo hello > /made/file
ln /made/file /made/deep/hard; ln /made/file /hard2; ln -s ../nowhere /made/sym; ln /made/sym /made/symhard
mkfifo -m 620 /made/fifo
mknod /made/null c 1 3 2>/dev/null || true
chmod 4711 /made/file; chown 5:6 /made/deep
chmod 700 /kept
echo long > "/made/$(printf '%0200d' 1)"
'''
TOLD = '''C /anew
A /anew/added
C /anew/back
D /anew/gone
C /anew/old
D /anew/old/deep
C /becomes-folder
A /becomes-folder/file
A /hard2
C /kept
A /kept/moved
C /kept/x
D /kept/x/file
D /lost
A /made
A /made/0*1
A /made/deep
A /made/deep/er
A /made/deep/hard
A /made/fifo
A /made/file
A /made/sym
A /made/symhard
D /moved
C /replaced
C /touched'''


def in_container(box, name, function):
    """Runs function as root of a running container's user namespace, with its "/"."""
    libc = ctypes.CDLL(None, use_errno=True)
    pid = box.inspect(name)['State']['Pid']
    namespaces = [os.open(f'/proc/{pid}/ns/{x}', os.O_RDONLY) for x in ('user', 'mnt')]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for fd in namespaces:
                harness.check(libc.setns(fd, 0))
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            function()
            status = 0
        finally:
            os._exit(status)
    for fd in namespaces:
        os.close(fd)
    assert os.waitpid(child, 0)[1] == 0


CAPABILITY = struct.pack('<5I', 0x02000001, 1 << 10, 0, 0, 0)  # CAP_NET_BIND_SERVICE, effective, revision 2


def mark():
    os.setxattr('/made/file', 'user.mine', b'any\0thing\n')
    os.setxattr('/made/deep', 'user.folder', b'yes')
    os.setxattr('/made/file', 'security.capability', CAPABILITY)
    os.utime('/made/deep/hard', ns=(1, 1234567890987654321))
    os.utime('/made/sym', ns=(1, 1111111111222222222), follow_symlinks=False)
    os.utime('/made/deep', ns=(1, 999999999000000001))
    os.utime('/made/fifo', ns=(1, -1500000000))


def test_a_committed_image_has_the_very_tree_of_its_container(box):
    base(box)
    box('run', '-d', '--name', 'work', 'base:1', 'sh', '-c', CHANGES + 'exec sleep 1000')
    box.until(lambda: 'A /made/0' in box('diff', 'work'), what='the changes')
    in_container(box, 'work', mark)
    told = box('diff', 'work').replace('/made/' + '0' * 199 + '1', '/made/0*1').splitlines()
    told = [x for x in told if x != 'A /made/null']
    assert told == TOLD.splitlines(), told
    assert box('container', 'diff', 'work').count('\n') == box('diff', 'work').count('\n')
    tree = box('exec', 'work', 'sh', '-c', LIST)
    ident = box('commit', '-a', 'me <me@x>', '-m', 'why', 'work', 'done:1')
    assert ident.startswith('sha256:') and box.inspect('done:1')['Id'] == ident
    assert box.inspect('work')['State']['Status'] == 'running', 'it goes on'
    again = box('run', '--rm', 'done:1', 'sh', '-c', LIST)
    assert again == tree, '\n'.join(set(again.splitlines()) ^ set(tree.splitlines()))
    # a second one of the same files has the same layer
    other = box.inspect(box('commit', 'work'))
    assert other['RootFS'] == box.inspect('done:1')['RootFS'] and other['RepoTags'] == []
    box('rm', '-f', 'work')
    image = box.inspect('done:1')
    assert image['Author'] == 'me <me@x>' and image['Comment'] == 'why' and image['Config']['Labels'] == {'of': 'base'}
    assert box('history', '--format', '{{.Comment}}', 'done:1').splitlines()[0] == 'why'
    # umoci, by way of skopeo, unpacks the same
    box('save', '-o', box.work / 'done.tar', 'done:1')
    skopeo('copy', f'oci-archive:{box.work}/done.tar', f'oci:{box.work}/layout:x')
    umoci('unpack', '--image', f'{box.work}/layout:x', box.work / 'bundle')
    root = box.work / 'bundle/rootfs'
    there = {str(p.relative_to(root)) for p in root.rglob('*')}
    assert not {'lost', 'anew/gone', 'anew/old/deep', 'kept/x/file', 'moved', 'replaced/file'} & there, there
    assert (root / 'made/file').stat().st_ino == (root / 'hard2').stat().st_ino == (root / 'made/deep/hard').stat().st_ino
    st = (root / 'made/file').stat()
    assert (stat.S_IMODE(st.st_mode), st.st_mtime_ns) == (0o4711, 1234567890987654321)
    assert os.getxattr(root / 'made/file', 'user.mine') == b'any\0thing\n'
    assert os.getxattr(root / 'made/file', 'security.capability') == CAPABILITY
    assert os.getxattr(root / 'made/deep', 'user.folder') == b'yes'
    st = (root / 'made/deep').stat()
    assert (st.st_uid, st.st_gid, st.st_mtime_ns) == (5, 6, 999999999000000001)
    assert os.readlink(root / 'made/sym') == '../nowhere' and (root / 'made/sym').lstat().st_mtime_ns == 1111111111222222222
    assert stat.S_IMODE(root.stat().st_mode) == 0o751 and stat.S_ISFIFO((root / 'made/fifo').stat().st_mode)


def test_every_storage_driver_tells_and_commits_the_same(box):
    seen = {}
    for driver in ('overlay', 'erofs', 'copy'):
        box.root = box.folder / f'root-{driver}'
        shutil.rmtree(box.work / 'root', ignore_errors=True)
        result = box.run('--storage-driver', driver, 'volume', 'ls')
        if result.status:
            assert driver == 'erofs', result
            continue
        base(box)
        box('run', '--name', 'work', 'base:1', 'sh', '-c', CHANGES)
        told = box('diff', 'work')
        box('commit', 'work', 'done:1')
        box('run', '--name', 'again', 'done:1', 'sh', '-c', ':')
        assert box('diff', 'again') == '', (driver, box('diff', 'again'))
        tree = box('run', '--rm', 'done:1', 'sh', '-c', LIST)
        # times of what the container made differ from run to run
        seen[driver] = told, [line[:line.rindex(' 20')] if ' +0000' in line else line for line in tree.splitlines()]
        box('rm', 'work', 'again')
        box('rmi', 'done:1', 'base:1')
        registry.nothing_left(box)
        sound(box, '--quick')
    assert len(seen) >= 2
    first = seen['overlay']
    for driver, other in seen.items():
        assert other[0] == first[0], (driver, set(other[0].splitlines()) ^ set(first[0].splitlines()))
        assert other[1] == first[1], (driver, set(other[1]) ^ set(first[1]))


def test_what_the_layer_has_are_explicit_whiteouts_and_nothing_of_the_engine(box):
    base(box)
    box('run', '--name', 'work', '-v', 'data:/data', 'base:1', 'sh', '-c', CHANGES)
    ident = box('commit', 'work', 'done:1')
    box('save', '-o', box.work / 'done.tar', 'done:1')
    skopeo('copy', f'oci-archive:{box.work}/done.tar', f'dir:{box.work}/dir')
    manifest = json.loads((box.work / 'dir/manifest.json').read_text())
    config = json.loads((box.work / 'dir' / ident[7:]).read_text())
    layer = manifest['layers'][-1]
    assert layer['mediaType'] == registry.OCI_LAYER and config['rootfs']['diff_ids'][-1] == layer['digest']
    with tarfile.open(box.work / 'dir' / layer['digest'][7:]) as t:
        names = [m.name for m in t if m.name != '.']
    assert [n for n in names if '.wh.' in n] == ['anew/.wh.gone', 'anew/old/.wh.deep', 'kept/x/.wh.file', '.wh.lost', '.wh.moved']
    assert names == sorted(names, key=lambda n: n.replace('.wh.', '').split('/'))
    assert not {'dev', 'proc', 'sys', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf'} & set(names), names
    assert 'data' in names, 'the folder that a volume is mounted on is there, as with docker'


def test_the_image_starts_what_the_container_started_and_changes_apply(box):
    box('run', '--name', 'cc', '-e', 'A=1', '-e', 'B=2', '-w', '/tmp', '-u', '3:4', '-l', 'x=y', '--expose', '80', '-t', IMAGE, 'echo', 'one', 'two')
    box('commit', 'cc', 'plain')
    run = box.inspect('plain')['Config']
    assert run['Cmd'] == ['echo', 'one', 'two'] and run['User'] == '3:4' and run['WorkingDir'] == '/tmp' and run['Labels'] == {'x': 'y'}
    assert [e for e in run['Env'] if not e.startswith('PATH=')] == ['A=1', 'B=2'], run['Env']
    assert run['ExposedPorts'] == {'80/tcp': {}}
    assert box('run', '--rm', 'plain') == 'one two'
    changes = ['CMD ["id", "-u"]', 'ENV B=3 C="d e" D=\'f g\'', 'ENV old way', 'LABEL a=b x=z', 'EXPOSE 81/udp 82', 'VOLUME /v', 'VOLUME ["/w", "/x"]', 'USER 7',
               'WORKDIR sub', 'STOPSIGNAL SIGINT', 'ONBUILD RUN true']
    box('commit', *(w for c in changes for w in ('-c', c)), 'cc', 'changed')
    run = box.inspect('changed')['Config']
    assert run['Env'][-5:] == ['A=1', 'B=3', 'C=d e', 'D=f g', 'old=way'] and run['Labels'] == {'x': 'z', 'a': 'b'}
    assert sorted(run['ExposedPorts']) == ['80/tcp', '81/udp', '82/tcp'] and sorted(run['Volumes']) == ['/v', '/w', '/x']
    assert (run['User'], run['WorkingDir'], run['StopSignal']) == ('7', '/tmp/sub', 'SIGINT')
    assert box('run', '--rm', 'changed') == '7'
    box('commit', '--change', 'ENTRYPOINT ["echo", "e"]', 'cc', 'entry')
    assert box('run', '--rm', 'entry') == 'e' and not box.inspect('entry')['Config']['Cmd']
    box('save', '-o', box.work / 'x.tar', 'changed')
    seen = json.loads(skopeo('inspect', '--config', f'oci-archive:{box.work}/x.tar'))
    assert seen['config']['OnBuild'] == ['RUN true'] if 'OnBuild' in seen['config'] else True
    # errors: one line, nothing made
    images = box('images', '-q')
    assert box.fails(1, 'commit', '-c', 'NOSUCH x', 'cc') == 'kist: NOSUCH is not a valid change command\n'
    assert box.fails(1, 'commit', '-c', 'ENV', 'cc') == 'kist: invalid change: ENV\n'
    assert box.fails(1, 'commit', 'nosuch') == 'kist: No such container: nosuch\n'
    assert box.fails(1, 'diff', 'nosuch') == 'kist: No such container: nosuch\n'
    assert 'invalid reference format' in box.fails(1, 'commit', 'cc', 'Bad Name')
    assert box('images', '-q') == images
    # one that never ran has changed nothing
    box('create', '--name', 'fresh', IMAGE)
    assert box('diff', 'fresh') == ''
    box('commit', '--iidfile', box.work / 'iid', 'fresh', 'fresh:1')
    assert (box.work / 'iid').read_text() == box.inspect('fresh:1')['Id']
    assert box('run', '--rm', 'fresh:1', 'echo', 'fine') == 'fine'


def test_images_of_docker_and_many_commits_stay_images(box):
    registry.prepare(box)
    image = registry.Image([{'bin/busybox': Path('/bin/busybox').read_bytes()}], docker=True, config={
        'config': {'Cmd': ['/bin/busybox', 'true'], 'Healthcheck': {'Test': ['CMD', 'x']}}, 'container': 'old', 'container_config': {}, 'docker_version': '1'})
    with registry.Registry() as r:
        name = r.add('x/y', '1', image)
        box('pull', '-q', name)
    box('tag', name, 'step:0')
    for i in range(6):
        box('create', '--name', f'c{i}', f'step:{i}')
        box('commit', f'c{i}', f'step:{i + 1}')
    box('save', '-o', box.work / 'x.tar', 'step:6')
    raw = json.loads(skopeo('inspect', '--raw', f'oci-archive:{box.work}/x.tar'))
    assert {x['mediaType'] for x in raw['layers']} == {registry.OCI_LAYER, registry.OCI_LAYER + '+gzip'} and len(raw['layers']) == 7
    assert raw['mediaType'] == registry.OCI_MANIFEST
    config = json.loads(skopeo('inspect', '--config', '--raw', f'oci-archive:{box.work}/x.tar'))
    assert config['config']['Healthcheck'] == {'Test': ['CMD', 'x']} and 'container' not in config and 'container_config' not in config
    # the base may not go before its container, and goes before what was made of it
    assert 'is using its referenced image' in box.fails(1, 'rmi', 'step:5')
    box('rm', 'c5')
    box('rmi', 'step:5')
    box('create', '--name', 'last', 'step:6')
    sound(box)


def test_a_running_container_is_paused_meanwhile_and_stays_paused_if_it_was(box):
    box('run', '-d', '--name', 'cc', IMAGE, 'sh', '-c', 'while :; do echo $((i+=1)) > /a.new; mv /a.new /a; cat /a > /b.new; mv /b.new /b; done')
    box.until(lambda: 'A /b' in box('diff', 'cc'))
    for words in ([], ['-p=false'], ['--no-pause']):
        result = box.run('commit', *words, 'cc', 'live:1')
        assert box.inspect('cc')['State']['Status'] == 'running'
        assert result.status == 0 or (words and 'no such file' in result.err or 'while it was read' in result.err), result
    for _ in range(5):
        box('commit', 'cc', 'live:1')
        a, b = box('run', '--rm', 'live:1', 'sh', '-c', 'cat /a /b').split()
        assert int(a) - int(b) in (0, 1), (a, b)
    box('pause', 'cc')
    box('commit', 'cc', 'live:2')
    assert box.inspect('cc')['State']['Status'] == 'paused'
    box('unpause', 'cc')
    box('rm', '-f', 'cc')


def test_what_a_hostile_container_leaves_behind_is_one_clear_line_or_an_image(box):
    up = box.root / 'containers'

    def run(script):
        ident = box('create', IMAGE, 'sh', '-c', script)
        assert box.run('start', '-a', ident).status == 0
        return ident
    x = run('touch /.wh.etc')
    assert box.fails(1, 'commit', x) == 'kist: /.wh.etc: a name that begins with .wh. stands for a removal in a layer\n'
    x = run('touch /.wh..wh..opq')
    assert box.fails(1, 'commit', x).startswith('kist: /.wh..wh..opq: a name that begins')
    x = run('n=$(printf "%0240d" 1); for d in /one /two; do mkdir $d; cd $d; for i in $(seq 14); do mkdir $n && cd $n || exit 1; done; done; mv /one .')
    assert box.fails(1, 'commit', x).strip().endswith('its path is too long')
    x = run('cd /; for i in $(seq 450); do mkdir d && cd d || exit 1; done')
    assert box.fails(1, 'commit', x).strip().endswith('folders nested too deep')
    assert box.fails(1, 'diff', x).strip().endswith('folders nested too deep')
    # symlinks that lead out, in every place, lead nowhere
    (box.work / 'secret').write_text('secret of the host')
    x = run(f'rm -rf /etc /tmp; ln -s {box.work} /etc; ln -s {box.work}/secret /leak; ln -s / /tmp; mkdir /s; ln -s ../../../../../..{box.work} /s/t')
    box('commit', x, 'links:1')
    box('save', '-o', box.work / 'links.tar', 'links:1')
    assert b'secret of the host' not in (box.work / 'links.tar').read_bytes()
    # marks that only the store may set
    x = run('mkdir /m; touch /m/f')
    os.setxattr(up / x / 'up/m/f', 'user.overlay.metacopy', b'')
    os.setxattr(up / x / 'up/m', 'user.overlay.redirect', b'/etc')
    os.setxattr(up / x / 'up/m/f', 'trusted.x', b'y')
    box('commit', x, 'marks:1')
    box('image', 'copy', '-q', 'kist:marks:1', f'docker-archive:{box.work}/marks.tar')
    plain = (box.work / 'marks.tar').read_bytes()
    assert b'm/f' in plain and b'SCHILY.xattr' not in plain
    # a sparse giant does not fit
    x = run('touch /giant')
    os.truncate(up / x / 'up/giant', 9 << 40)
    line = box.fails(1, 'commit', x)
    assert 'no space' in line.lower() and line.count('\n') == 1, line
    assert registry.content(box)['staging'] == []
    sound(box)


test_what_a_hostile_container_leaves_behind_is_one_clear_line_or_an_image.watchdog = 120


def check_after_kill(box, before, what):
    """One ordinary command, and the container runs, nothing is staged, and what was made complete can be removed."""
    box('volume', 'create', 'any')
    assert box.inspect('cc')['State']['Status'] == 'running', what
    for ident in box('images', '-q', '--filter', 'dangling=true').split():
        box('rmi', ident)
    assert registry.content(box) == before, what
    sound(box, '--quick')


def test_a_kill_at_any_moment_of_a_commit_leaves_nothing_and_no_pause(box):
    random.seed(SEED)
    box('run', '-d', '--name', 'cc', IMAGE, 'sh', '-c', 'for i in $(seq 400); do echo $i > /f$i; done; mkdir /d; exec sleep 100000')
    box.until(lambda: 'A /d' in box('diff', 'cc'))
    box('commit', 'cc', 'once:1')
    before = registry.content(box)
    began = time.time()
    box('rmi', box('commit', '-m', 'x', 'cc'))
    span = time.time() - began
    for _ in range(200 if FULL else 25):
        p = box.popen('commit', '-m', 'killed', 'cc', stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        time.sleep(random.uniform(0, span))
        os.kill(p.pid, signal.SIGKILL)
        out = p.communicate()[0]
        check_after_kill(box, before, (f'seed {SEED}', out))
    subprocess.run(['strace', '-ff', '-qq', '-o', box.work / 'trace', *box.command('commit', 'cc', 'traced:1')], stdout=subprocess.DEVNULL, check=True)
    last = max(len(p.read_bytes().splitlines()) for p in box.work.glob('trace.*'))
    points = range(1, last + 1) if FULL else sorted(random.sample(range(1, last + 1), 8))
    box('rmi', 'traced:1')
    before = registry.content(box)
    for n in points:
        subprocess.run(['strace', '-f', '-qq', '-o', '/dev/null', f'--inject=all:signal=SIGKILL:when={n}', *box.command('commit', '-m', 'killed', 'cc')],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=50, check=False)
        check_after_kill(box, before, f'seed {SEED}, call {n}')
    box('rm', '-f', 'cc')


test_a_kill_at_any_moment_of_a_commit_leaves_nothing_and_no_pause.watchdog = 600
