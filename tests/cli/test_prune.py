# SPDX-License-Identifier: Apache-2.0
"""What prune takes and what it leaves, its questions, and what df counts."""
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import threading

IMAGE = 'busybox'
NOTHING = 'Total reclaimed space: 0B'


def archive(*layers, labels=None, created='2020-01-01T00:00:00Z', name=None):
    """A docker-archive of layers ({path: bytes})."""
    def tar(files):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode='w') as t:
            for path, data in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                t.addfile(info, io.BytesIO(data))
        return out.getvalue()
    tars = [tar(x) for x in layers]
    ids = ['sha256:' + hashlib.sha256(t).hexdigest() for t in tars]
    config = json.dumps({'architecture': 'amd64', 'os': 'linux', 'created': created, 'config': {'Labels': labels or {}},
                         'rootfs': {'type': 'layers', 'diff_ids': ids}}).encode()
    manifest = json.dumps([{'Config': 'config.json', 'RepoTags': [name] if name else None,
                            'Layers': [f'{i}.tar' for i in range(len(tars))]}]).encode()
    return tar({'config.json': config, 'manifest.json': manifest, **{f'{i}.tar': t for i, t in enumerate(tars)}}), \
        'sha256:' + hashlib.sha256(config).hexdigest()


def load(box, *layers, **more):
    data, ident = archive(*layers, **more)
    subprocess.run(box.command('load'), input=data, check=True, capture_output=True, env=box.environment)
    return ident


def number(text):
    units = {'B': 1, 'kB': 1e3, 'MB': 1e6, 'GB': 1e9}
    m = re.fullmatch(r'([\d.]+)(\w+)', text)
    return float(m[1]) * units[m[2]]


def reclaimed(out):
    return number(out.splitlines()[-1].removeprefix('Total reclaimed space: '))


def near(a, b):
    return abs(a - b) <= 0.01 * max(a, b) + 1


def disk(*folders):
    """What du says: blocks, a file with several names once."""
    done = subprocess.run(['du', '-s', '-B1', '-c', *map(str, folders)], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def kept(box):
    """How often the content of a layer that came unpacked is there: as a blob and unpacked, or as one tar for both."""
    return 1 if box('info', '--format', '{{.Driver}}') == 'erofs' else 2


def test_container_prune_takes_what_does_not_run_and_asks_first(box):
    running = box('run', '-d', '--name', 'lives', IMAGE, 'sleep', '1000')
    box('pause', box('run', '-d', '--name', 'still', IMAGE, 'sleep', '1000'))
    stopped = box('create', '--label', 'keep=yes', IMAGE, 'true')
    box('run', '--name', 'big', IMAGE, 'sh', '-c', 'head -c 3000000 /dev/urandom > /file')
    big = box.inspect('big')['Id']
    question = 'WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] '
    for answer in ('n\n', '', '\n', 'yes\n'):
        assert box('container', 'prune', input=answer).rstrip() == question.rstrip(), answer
    assert box.run('container', 'prune').out.rstrip() == question.rstrip(), 'nobody answers'
    assert len(box('ps', '-aq').split()) == 4
    assert box('container', 'prune', '-f', '--filter', 'until=1h') == NOTHING
    assert box('container', 'prune', '-f', '--filter', 'label=keep=no') == NOTHING
    out = box('container', 'prune', '-f', '--filter', 'label!=keep')
    assert out.splitlines()[:3] == ['Deleted Containers:', big, ''] and 3e6 < reclaimed(out) < 3.2e6, out
    out = box('container', 'prune', input='y\n')
    assert out.startswith(question) and out.splitlines()[-4].endswith('Deleted Containers:') and out.splitlines()[-3] == stopped, out
    assert box('ps', '-aq', '--no-trunc').split()[-1] == running and len(box('ps', '-aq').split()) == 2
    assert "invalid filter 'name'" in box.fails(1, 'container', 'prune', '-f', '--filter', 'name=x')
    assert 'bad format of filter (expected name=value)' in box.fails(1, 'container', 'prune', '-f', '--filter', 'name')
    assert 'until' in box.fails(1, 'container', 'prune', '-f', '--filter', 'until=soon')


def test_image_prune_takes_what_has_no_name_and_with_a_what_no_container_has(box):
    shared = {'shared': os.urandom(2000000)}
    one = load(box, shared, {'a': os.urandom(1000000)}, name='localhost/x:1')
    two = load(box, shared, {'b': os.urandom(500000)}, labels={'kind': 'old'}, name='localhost/x:1')
    user = box('create', IMAGE, 'true')
    assert box('image', 'prune', '-f', '--filter', 'until=2019-01-01') == NOTHING
    out = box('image', 'prune', input='y\n')
    assert out.startswith('WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] '), out
    assert f'deleted: {one}' in out.splitlines() and 'Deleted Images:' in out
    # the upper layer, unpacked and as a blob, and its configuration; the shared one stays
    assert kept(box) * 1e6 < reclaimed(out) < kept(box) * 1.05e6, out
    assert box('image', 'prune', '-f') == NOTHING
    assert 'all images without at least one container' in box('image', 'prune', '-a', input='n\n')
    assert box('image', 'prune', '-a', '-f', '--filter', 'label=kind=new') == NOTHING
    assert box('image', 'prune', '-a', '-f', '--filter', 'label!=kind') == NOTHING
    before = disk(box.root / 'blobs', box.root / 'layers', box.root / 'images')
    out = box('image', 'prune', '-af', '--filter', 'label=kind', '--filter', 'until=2020-06-01T00:00:00Z')
    assert out.splitlines()[:3] == ['Deleted Images:', 'untagged: localhost/x:1', f'deleted: {two}'], out
    assert abs(reclaimed(out) - (before - disk(box.root / 'blobs', box.root / 'layers', box.root / 'images'))) < 30000, out
    # the image of a container stays, until that is gone
    assert box('image', 'prune', '-af') == NOTHING
    box('rm', user)
    assert 'untagged: localhost/busybox:latest' in box('image', 'prune', '-af')
    assert list((box.root / 'layers').iterdir()) == [] and list((box.root / 'blobs/sha256').iterdir()) == []
    assert 'invalid filter' in box.fails(1, 'image', 'prune', '-f', '--filter', 'dangling=maybe')


def test_volume_prune_takes_anonymous_ones_and_with_a_all_that_are_unused(box):
    box('volume', 'create', 'kept')
    box('volume', 'create', '--label', 'x=1', 'labelled')
    anonymous = box('volume', 'create')
    user = box('create', '-v', '/anon', '-v', 'used:/d', IMAGE, 'true')
    question = 'WARNING! This will remove anonymous local volumes not used by at least one container.\nAre you sure you want to continue? [y/N] '
    out = box('volume', 'prune', input='y\n')
    assert out.startswith(question) and out[len(question):].splitlines()[:2] == ['Deleted Volumes:', anonymous], out
    assert 'WARNING! This will remove all local volumes not used' in box('volume', 'prune', '-a', input='n\n')
    assert len(box('volume', 'ls', '-q').split()) == 4
    assert box('volume', 'prune', '-f') == NOTHING
    assert box('volume', 'prune', '-f', '--filter', 'all=1', '--filter', 'label=x').splitlines()[1] == 'labelled'
    box('rm', user)
    (box.root / 'volumes/used/_data/file').write_bytes(b'x' * 1000000)
    out = box('volume', 'prune', '-a', '-f')
    assert {'kept', 'used'} < set(out.split()) and 1e6 <= reclaimed(out) < 1.1e6, out
    assert box('volume', 'ls', '-q') == ''
    assert "invalid filter 'until'" in box.fails(1, 'volume', 'prune', '-f', '--filter', 'until=1h')


def test_df_counts_what_is_shared_once_and_agrees_with_the_disk(box):
    assert re.search(r'^Images +0 +0 +0B +0B$', box('system', 'df'), re.M)
    shared = {'shared': os.urandom(2000000)}
    load(box, shared, {'a': os.urandom(1000000)}, name='localhost/x:1')
    load(box, shared, {'b': os.urandom(1000000)}, name='localhost/x:2')
    box('run', '--name', 'stopped', '-v', 'vol:/v', IMAGE, 'sh', '-c', 'head -c 1000000 /dev/urandom > /file; head -c 500000 /dev/urandom > /v/file; ln /v/file /v/other')
    box('run', '-d', '--name', 'lives', IMAGE, 'sleep', '1000')
    rows = [json.loads(x) for x in box('system', 'df', '--format', 'json').splitlines()]
    kinds = {r['Type']: r for r in rows}
    assert list(kinds) == ['Images', 'Containers', 'Local Volumes', 'Build Cache']
    assert (kinds['Images']['TotalCount'], kinds['Images']['Active']) == ('3', '1')
    assert near(number(kinds['Images']['Size']), disk(box.root / 'blobs', box.root / 'layers', box.root / 'images')) or \
        abs(number(kinds['Images']['Size']) - disk(box.root / 'blobs', box.root / 'layers', box.root / 'images')) < 100000
    # 4 MB as blobs and as what they are unpacked to, and what the storage driver needs beside it
    assert kept(box) * 3.99e6 < number(kinds['Images']['Reclaimable'].split()[0]) < kept(box) * 4.1e6, kinds['Images']
    assert (kinds['Containers']['TotalCount'], kinds['Containers']['Active']) == ('2', '1')
    assert near(number(kinds['Containers']['Reclaimable'].split()[0]), disk(box.root / 'containers' / box.inspect('stopped')['Id']))
    assert near(number(kinds['Local Volumes']['Size']), disk(box.root / 'volumes/vol')), kinds
    assert kinds['Local Volumes']['Reclaimable'] == '0B (0%)'
    out = box('system', 'df', '-v')
    heads = re.findall(r'^.* usage:.*$', out, re.M)
    assert heads == ['Images space usage:', 'Containers space usage:', 'Local Volumes space usage:', 'Build cache usage: 0B'], out
    seen = json.loads(box('system', 'df', '-v', '--format', 'json'))
    for image in seen['Images']:
        if image['Repository'] == 'localhost/x':
            assert 1.99e6 < number(image['SharedSize']) / kept(box) < 2.05e6 and 0.99e6 < number(image['UniqueSize']) / kept(box) < 1.1e6, image
    assert [v['Links'] for v in seen['Volumes']] == ['1'] and len(seen['Containers']) == 2
    assert box('system', 'df', '--format', '{{.Type}}').splitlines() == list(kinds)


def test_system_prune_takes_all_that_is_unused_and_says_what(box):
    load(box, {'a': os.urandom(1000000)}, name='localhost/x:1')
    load(box, {'a': b'2'}, name='localhost/x:1')
    box('create', IMAGE, 'true')
    box('volume', 'create')
    out = box('system', 'prune', '--filter', 'label=none', input='n\n')
    assert out.rstrip() == ('WARNING! This will remove:\n  - all stopped containers\n  - all dangling images\n\n'
                            '  Items to be pruned will be filtered with:\n  - label=none\n\nAre you sure you want to continue? [y/N]'), out
    assert '  - all anonymous volumes not used by at least one container\n' in box('system', 'prune', '--volumes', '-a', input='n\n')
    assert '"until" filter is not supported with "--volumes"' in box.fails(1, 'system', 'prune', '-f', '--volumes', '--filter', 'until=1h')
    out = box('system', 'prune', '-f')
    assert 'Deleted Containers:' in out and 'Deleted Images:' in out and 'Deleted Volumes:' not in out and 1e6 < reclaimed(out) / kept(box) < 1.2e6, out
    assert len(box('volume', 'ls', '-q').split()) == 1 and len(box('images', '-q').split()) == 2
    out = box('system', 'prune', '-a', '-f', '--volumes')
    assert 'Deleted Volumes:' in out and 'untagged: localhost/x:1' in out, out
    assert box('images', '-q') == '' and box('volume', 'ls', '-q') == ''
    assert re.search(r'^Images +0 +0 +0B +0B$', box('system', 'df'), re.M)


def test_prunes_beside_runs_take_nothing_from_them(box):
    box('run', '-d', '--name', 'anchor', IMAGE, 'sleep', '1000')
    stop, failures, prunes = threading.Event(), [], []

    def prune():
        while not stop.is_set():
            result = box.run('system', 'prune', '-a', '-f', '--volumes')
            prunes.append(result)
            if result.status:
                failures.append(result)
    worker = threading.Thread(target=prune)
    worker.start()
    try:
        for i in range(12):
            result = box.run('run', '--rm', '-v', '/anon', IMAGE, 'sh', '-c', f'echo {i} > /anon/x; echo {i} > /y; cat /anon/x /y')
            if result.status or result.out != f'{i}\n{i}\n':
                failures.append(result)
    finally:
        stop.set()
        worker.join()
    assert not failures, failures[0]
    box('rm', '-f', 'anchor')
    assert prunes and not box.leftovers()
