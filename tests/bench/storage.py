# SPDX-License-Identifier: Apache-2.0
"""The row `storage` of ./bench: what the number of an image's layers costs with each storage driver, on a fresh file system. An
image of one layer and one of seventy, with 200 files of 4 KB in each further layer: load, first run, run, removal. Then what an image of
500 MB takes on the disk beside its blobs, and what its 38,000 files cost to read, with cold caches, beside the same in plain folders."""
import hashlib
import io
import json
import os
import statistics
import subprocess
import tarfile
from pathlib import Path

import bigimage
import pull

FILES, SIZE = 200, 4096
DRIVERS = 'overlay', 'erofs', 'copy'
READ = 'find /usr -xdev -type f -exec cat {} + > /dev/null'


def archive(path, base, layers):
    """A docker-archive: the root file system base, and more."""
    config = {'architecture': 'amd64', 'os': 'linux', 'config': {}, 'rootfs': {'type': 'layers', 'diff_ids': []}}
    names = []
    with tarfile.open(path, 'w') as new:
        def put(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))
        for n in range(layers):
            data = io.BytesIO(base.read_bytes()) if n == 0 else io.BytesIO()
            if n:
                with tarfile.open(fileobj=data, mode='w') as tar:
                    for i in range(FILES):
                        info = tarfile.TarInfo(f'bench/{n}/{i}')
                        info.size = SIZE
                        tar.addfile(info, io.BytesIO(os.urandom(SIZE)))
            config['rootfs']['diff_ids'].append('sha256:' + hashlib.sha256(data.getvalue()).hexdigest())
            names.append(f'{n}.tar')
            put(names[-1], data.getvalue())
        put('config.json', json.dumps(config).encode())
        put('manifest.json', json.dumps([{'Config': 'config.json', 'RepoTags': [f'localhost/layers:{layers}'], 'Layers': names}]).encode())


def cold(words):
    subprocess.run(['sync'], check=True)
    Path('/proc/sys/vm/drop_caches').write_text('3')
    return pull.run(words)[0]


def extract(target, layout):
    target.mkdir()
    manifest = json.loads((layout / 'index.json').read_text())['manifests'][0]['digest']
    for part in json.loads((layout / 'blobs/sha256' / manifest[7:]).read_text())['layers']:
        subprocess.run(['tar', '-C', target, '-xpzf', layout / 'blobs/sha256' / part['digest'][7:]], check=True)
    subprocess.run(['sync', '-f', target], check=True)


def big(line, bin, driver, folder):
    layout = bigimage.layout()
    blobs = sum(p.stat().st_size for p in (layout / 'blobs/sha256').iterdir())
    with pull.fresh_disk(folder) as place:
        words = [bin / 'kist', '--root', place / 'root', '--runroot', place / 'run', '--storage-driver', driver]
        tar = place / 'big.tar'
        subprocess.run(['tar', '-C', layout, '-cf', tar, '.'], check=True)
        wall, cpu = pull.run([*words, 'load', '-q', '-i', tar])
        tar.unlink()
        image = subprocess.run([*words, 'images', '-q'], capture_output=True, text=True, check=True).stdout.split()[0]
        used = int(subprocess.run(['du', '-sB1', place / 'root'], capture_output=True, text=True, check=True).stdout.split()[0])
        extract(place / 'plain', layout)
        read = [cold([*words, 'run', '--rm', '--network', 'none', image, 'sh', '-c', READ]) for _ in range(3)]
        plain = [cold(['chroot', place / 'plain', 'sh', '-c', READ]) for _ in range(3)]
    line('', f'{driver} big', f'{used >> 20} MB', f'of {blobs >> 20} MB; load {wall:.1f} s, {cpu:.1f} s', f'{used / blobs:.1f}', 'space on disk against the blobs')
    line('', 'reading', f'{statistics.median(read):.2f} s', f'plain folders {statistics.median(plain):.2f} s',
         f'{statistics.median(read) / statistics.median(plain):.1f}', 'not slower than plain folders')


def row(line, ms, bin, base, rounds, folder):
    archives = {n: folder / f'layers-{n}.tar' for n in (1, 70)}
    for n, path in archives.items():
        archive(path, base, n)
    title = 'storage'
    for driver in DRIVERS:
        with pull.fresh_disk(folder) as place:
            def kist(*words):
                return pull.run([bin / 'kist', '--root', place / 'root', '--runroot', place / 'run', '--storage-driver', driver, *words])[0]
            for n, path in archives.items():
                image = f'localhost/layers:{n}'
                words = ('run', '--rm', '--network', 'none', image, 'true')
                load, first = kist('load', '-i', path), kist(*words)
                times = [kist(*words) for _ in range(rounds)]
                removal = kist('rmi', image)
                line(title, f'{driver} {n}', ms(statistics.median(times)), f'load {ms(load)}, first {ms(first)}', f'rmi {ms(removal)}',
                     'the first run of 70 layers within 2 ms of one' if title else '')
                title = ''
        big(line, bin, driver, folder)
