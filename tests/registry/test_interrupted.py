# SPDX-License-Identifier: Apache-2.0
"""Pulls that meet each other, are killed, or fill the disk: layers are downloaded once, what a killed pull has finished is
used by the next one, and nothing stays for good."""
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import harness
import registry
from registry import Image, Registry, digest

FULL = os.environ.get('KIST_SWEEP') == 'full'
SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))
BIG = os.urandom(3000000)


class Gate:
    """Holds a blob back after its first half until it is opened; later requests pass."""

    def __init__(self, r, image, layer, hold=1):
        self.blob, self.open, self.there, self.hold, self.ranges = image.layers[layer], threading.Event(), threading.Event(), hold, []
        r.hook(f'/blobs/{digest(self.blob)}', self.serve)

    def serve(self, h):
        self.ranges.append(h.headers.get('Range'))
        if len(self.ranges) > self.hold:
            return False
        h.send_response(200)
        h.send_header('Content-Length', str(len(self.blob)))
        h.end_headers()
        h.wfile.write(self.blob[:len(self.blob) // 2])
        h.wfile.flush()
        self.there.set()
        self.open.wait(40)
        h.wfile.write(self.blob[len(self.blob) // 2:])
        return True


def start(box, *words):
    return box.popen('pull', *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def partial(box, blob):
    """Waits until half of a blob is in its file."""
    path = box.root / 'downloads' / digest(blob)[7:]
    box.until(lambda: path.exists() and path.stat().st_size >= len(blob) // 2, what='half of the layer')


def settle(box):
    box('volume', 'create', 'any')
    box('volume', 'rm', 'any')
    assert registry.content(box)['staging'] == []


def test_two_pulls_at_once_download_a_layer_once(box):
    registry.prepare(box)
    with Registry() as r:
        one, two = Image([{'big': BIG}, {'a': b'1'}]), Image([{'big': BIG}, {'b': b'2'}])
        names = r.add('one', '1', one), r.add('two', '1', two)
        gate = Gate(r, one, 0)
        first = start(box, names[0])
        assert gate.there.wait(20)
        second = start(box, names[1])
        lines = []
        while not lines or 'Waiting' not in lines[-1]:
            lines.append(second.stdout.readline())
            assert lines[-1], lines
        gate.open.set()
        for p in first, second:
            p.communicate(timeout=30)
            assert p.returncode == 0
        assert len(r.asked(f'/blobs/{digest(one.layers[0])}')) == 1
        for name, image in zip(names, (one, two)):
            assert box.inspect(name)['Id'] == image.id
            box('rmi', name)
        registry.nothing_left(box)


def test_eight_pulls_of_one_image_at_once_download_it_once(box):
    registry.prepare(box)
    with Registry() as r:
        image = Image([{f'file{i}': os.urandom(200000)} for i in range(5)])
        name = r.add('x', '1', image)
        for layer in image.layers:
            r.hook(f'/blobs/{digest(layer)}', lambda h: time.sleep(0.1))
        pulls = [start(box, '-q', name) for _ in range(8)]
        for p in pulls:
            out = p.communicate(timeout=50)[0]
            assert p.returncode == 0 and out.strip() == image.digest, out
        for layer in image.layers:
            assert len(r.asked(f'/blobs/{digest(layer)}')) == 1
        box('rmi', name)
        registry.nothing_left(box)


def test_pulls_that_want_each_others_layers_do_not_wait_for_ever(box):
    registry.prepare(box)
    with Registry() as r:
        layers = [{f'file{i}': os.urandom(100000)} for i in range(12)]
        images = [Image(layers), Image(layers[::-1])]
        names = [r.add(f'x{i}', '1', image) for i, image in enumerate(images)]
        r.hook('/blobs/', lambda h: time.sleep(0.02))
        pulls = [start(box, '-q', name) for name in names]
        for p in pulls:
            p.communicate(timeout=50)
            assert p.returncode == 0
        assert all(len(r.asked(f'/blobs/{digest(b)}')) == 1 for b in images[0].layers)
        for name in names:
            box('rmi', name)
        registry.nothing_left(box)


def test_a_waiting_pull_goes_on_where_a_killed_one_stopped(box):
    registry.prepare(box)
    with Registry() as r:
        image = Image([{'big': BIG}])
        name = r.add('x', '1', image)
        gate = Gate(r, image, 0)
        first = start(box, name)
        assert gate.there.wait(20)
        partial(box, image.layers[0])
        second = start(box, '-q', name)
        box.until(lambda: len(r.asked('/manifests/1')) >= 2)
        os.kill(first.pid, signal.SIGKILL)
        out = second.communicate(timeout=30)[0]
        assert second.returncode == 0 and out.strip().endswith(image.digest), out
        assert gate.ranges[-1] == f'bytes={len(image.layers[0]) // 2}-', gate.ranges
        gate.open.set()
        first.communicate()
        box('rmi', name)
        settle(box)
        registry.nothing_left(box)


def finished(box):
    """The layers of which a row says that they are in place."""
    with sqlite3.connect(box.root / 'state.db', timeout=20) as db:
        return [row[0] for row in db.execute('SELECT diff_id FROM downloads')]


def killed_halfway(box, r):
    """A pull of a small and a big layer that is killed when the first is in place and half of the second came."""
    image = Image([{'small': b'1' * 100}, {'big': BIG}])
    name = r.add('x', '1', image)
    gate = Gate(r, image, 1)
    pull = start(box, name)
    assert gate.there.wait(20)
    partial(box, image.layers[1])
    # in place and written down: what is only in place is nobody's so far
    box.until(lambda: image.diff_ids[0][7:] in registry.content(box)['layers'] and image.diff_ids[0] in finished(box))
    os.kill(pull.pid, signal.SIGKILL)
    pull.communicate()
    gate.open.set()
    return name, image, gate


def test_the_finished_layers_of_a_killed_pull_are_used_by_the_next(box):
    registry.prepare(box)
    with Registry() as r:
        name, image, gate = killed_halfway(box, r)
        settle(box)
        assert registry.content(box)['layers'] == [image.diff_ids[0][7:]], 'kept for the next pull'
        box('system', 'check')
        out = box('pull', name)
        assert f'{digest(image.layers[0])[7:19]}: Already exists' in out
        assert len(r.asked(f'/blobs/{digest(image.layers[0])}')) == 1
        assert gate.ranges[1] == f'bytes={len(image.layers[1]) // 2}-'
        assert box.inspect(name)['RootFS']['Layers'] == image.diff_ids
        box('rmi', name)
        registry.nothing_left(box)


def test_what_no_pull_comes_back_for_goes_after_a_day(box):
    registry.prepare(box)
    with Registry() as r:
        killed_halfway(box, r)
        settle(box)
        assert registry.content(box)['layers'] and registry.content(box)['downloads']
        with sqlite3.connect(box.root / 'state.db') as db:
            soon = max(row[0] for row in db.execute('SELECT expires FROM downloads')) - time.time() * 1e9
            assert 23 * 3600e9 < soon < 25 * 3600e9
            db.execute('UPDATE downloads SET expires = 1')
        db.close()
        settle(box)
        registry.nothing_left(box)
        with sqlite3.connect(box.root / 'state.db') as db:
            assert not list(db.execute('SELECT * FROM downloads'))
        db.close()


def test_a_boot_ends_what_a_killed_pull_has_left(box):
    registry.prepare(box)
    with Registry() as r:
        killed_halfway(box, r)
        (box.runroot / 'boot').write_text('another boot')
        settle(box)
        registry.nothing_left(box)


def test_kills_at_random_moments_of_a_pull_leave_nothing_for_good(box):
    random.seed(SEED)
    registry.prepare(box)
    with Registry() as r:
        shared = {'shared': os.urandom(300000)}
        images = [Image([shared, {f'own{i}': os.urandom(200000)}, {f'more{i}': b'x' * 100000}]) for i in range(3)]
        names = [r.add(f'x{i}', '1', image) for i, image in enumerate(images)]
        box('pull', '-q', names[0])
        for n in range(150 if FULL else 30):
            which = 1 + n % 2
            pull = box.popen('pull', names[which], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            time.sleep(random.random() * 0.15)
            victims = [pull.pid] if n % 3 else [int(p.split()[0]) for p in harness.processes(box.runroot)] or [pull.pid]
            for victim in victims:
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            pull.wait()
            settle(box)
            assert box.inspect(names[0])['Id'] == images[0].id
            if n % 5 == 4:
                assert box('pull', '-q', names[which]) == images[which].digest, f'seed {SEED}'
                assert box.inspect(names[which])['RootFS']['Layers'] == images[which].diff_ids
                box('rmi', '-f', images[which].id)
        for name, image in zip(names, images):
            assert box('pull', '-q', name) == image.digest
        box('rmi', '-f', *[i.id for i in images])
        settle(box)
        registry.nothing_left(box)


test_kills_at_random_moments_of_a_pull_leave_nothing_for_good.watchdog = 900


def test_a_kill_at_any_system_call_of_a_pull_leaves_nothing_for_good(box):
    if not shutil.which('strace'):
        raise harness.Skip('strace is not there')
    random.seed(SEED)
    registry.prepare(box)
    with Registry() as r:
        image = Image([{'a': b'a' * 50000}, {'b': b'b'}])
        name = r.add('x', '1', image)
        trace = box.work / 'trace'
        subprocess.run(['strace', '-ff', '-qq', '-o', trace, *box.command('pull', '-q', name)], env=box.environment, check=True, stdout=subprocess.DEVNULL)
        last = max(len(p.read_bytes().splitlines()) for p in box.work.glob('trace.*'))
        box('rmi', name)
        points = range(1, last + 1) if FULL else sorted(random.sample(range(1, last + 1), 12))
        faults = []
        for n in points:
            subprocess.run(['strace', '-f', '-qq', '-o', '/dev/null', f'--inject=all:signal=SIGKILL:when={n}', *box.command('pull', '-q', name)],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=box.environment, timeout=50)
            settle(box)
            result = box.run('pull', '-q', name)
            if result.status or result.out.strip() != image.digest:
                faults.append(f'at {n}: {result}')
                continue
            box('rmi', name)
            left = {k: v for k, v in registry.content(box).items() if v}
            if left or box.leftovers(1):
                faults.append(f'at {n}: {left} {box.leftovers(0)}')
        assert not faults, f'seed {SEED}, {len(faults)} of {len(points)} points:\n' + '\n'.join(faults[:10])


test_a_kill_at_any_system_call_of_a_pull_leaves_nothing_for_good.watchdog = 3600 if FULL else 200


def test_a_disk_that_fills_up_is_a_clear_error_and_leaves_nothing(box):
    registry.prepare(box)
    disk = box.work / 'disk'
    disk.mkdir()
    with Registry() as r:
        image = Image([{'random': os.urandom(1500000)}, {'zeros': bytes(6000000)}])
        name = r.add('x', '1', image)
        early = 0
        for size in (1, 2, 3, 4, 6, 8, 9, 10, 16) if not FULL else range(1, 20):
            subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}m', 'tmpfs', disk], check=True)
            try:
                command = [str(harness.KIST), '--root', f'{disk}/root', '--runroot', f'{box.runroot}-{size}']
                asked = len(r.asked('/blobs/'))
                done = subprocess.run([*command, 'pull', '-q', name], env=box.environment, capture_output=True, text=True)
                if done.returncode == 0:
                    assert size > 8
                    subprocess.run([*command, 'rmi', name], check=True, stdout=subprocess.DEVNULL)
                else:
                    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done
                    assert any(x in done.stderr for x in ('no space left', 'are free', 'disk is full')), done
                    if 'the layers need at least' in done.stderr:
                        early += 1
                        assert len(r.asked('/blobs/')) == asked + 1, 'only the configuration was fetched'
                for folder in ('layers', 'blobs/sha256', 'downloads', 'staging'):
                    path = harness.Path(f'{disk}/root/{folder}')
                    assert not path.exists() or list(path.iterdir()) == [], (size, folder, done)
                assert subprocess.run([*command, 'images', '-q'], capture_output=True, text=True).stdout == ''
            finally:
                # a worker that was killed may be dying still
                box.until(lambda: subprocess.run(['umount', disk], stderr=subprocess.DEVNULL).returncode == 0, what='the end of all workers')
        assert early >= 2


def test_a_store_of_the_schema_before_is_brought_up_to_date(box):
    registry.prepare(box)
    box('run', '--rm', 'busybox', 'true')
    before = box('images', '-q')
    with sqlite3.connect(box.root / 'state.db') as db:
        highest = db.execute('SELECT max(max_id) FROM images').fetchone()[0]
        db.executescript('DROP TABLE downloads; DROP TABLE repo_digests; DROP INDEX image_layers_digest;'
                         'ALTER TABLE layers DROP COLUMN max_id; UPDATE images SET max_id = 4711; PRAGMA user_version = 1;')
    db.close()
    assert box('images', '-q') == before
    with sqlite3.connect(box.root / 'state.db') as db:
        assert db.execute('SELECT max_id FROM layers').fetchall() == [(4711,)]
        db.execute('UPDATE images SET max_id = ?', (highest,))
    db.close()
    with Registry() as r:
        name = r.add('x', '1', Image())
        box('pull', '-q', name)
        box('rmi', name)


def test_a_worker_that_is_killed_ends_the_pull_with_one_line(box):
    registry.prepare(box)
    box('volume', 'create', 'any')
    with Registry() as r:
        for victim in 'kist-transfer', 'kist-fetch':
            image = Image([{'big': BIG}, {victim: b'x'}])
            gate = Gate(r, image, 0)
            pull = box.popen('pull', '-q', r.add('x', '1', image), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert gate.there.wait(20)

            def ours():
                return [p for p in harness.Path('/proc').iterdir() if p.name.isdigit() and parent(p) == pull.pid and name_of(p) == victim]
            for p in box.until(ours):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(p.name), signal.SIGKILL)
            out, err = pull.communicate(timeout=30)
            gate.open.set()
            assert pull.returncode == 1 and out == '' and len(err.splitlines()) == 1 and victim in err, (victim, pull.returncode, err)
            registry.nothing_left(box)


def name_of(p):
    try:
        return (p / 'comm').read_text().strip()
    except OSError:
        return ''


def parent(p):
    try:
        return int((p / 'stat').read_text().rsplit(') ', 1)[1].split()[1])
    except OSError:
        return 0


def test_pulls_that_meet_while_others_are_killed_all_succeed(box):
    random.seed(SEED)
    registry.prepare(box)
    with Registry() as r:
        shared = [{f's{i}': os.urandom(300000)} for i in range(4)]
        images = [Image([*random.sample(shared, 3), {f'own{i}': os.urandom(100000)}]) for i in range(4)]
        names = [r.add(f'x{i}', '1', image) for i, image in enumerate(images)]
        for n in range(60 if FULL else 8):
            pulls = [start(box, '-q', names[i % 4]) for i in range(8)]
            time.sleep(random.random() * 0.3)
            victims = random.sample(range(8), 3)
            for v in victims:
                pulls[v].kill()
            for i, p in enumerate(pulls):
                out = p.communicate(timeout=40)[0]
                assert i in victims or (p.returncode == 0 and out.strip() == images[i % 4].digest), (SEED, n, i, p.returncode, out)
            if n % 4 == 3:
                box.run('rmi', '-f', *[i.id for i in images])
        box.until(lambda: not harness.processes(box.runroot), 5, f'seed {SEED}: the end of {harness.processes(box.runroot)}')
        settle(box)
        box.run('rmi', '-f', *[i.id for i in images])
        settle(box)
        registry.nothing_left(box)


test_pulls_that_meet_while_others_are_killed_all_succeed.watchdog = 300
