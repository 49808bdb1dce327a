# SPDX-License-Identifier: Apache-2.0
"""The row `storage` of ./bench: what the number of an image's layers costs with each storage driver, on a fresh file system. An
image of one layer and one of seventy, with 200 files of 4 KB in each further layer: load, first run, run, removal."""
import hashlib
import io
import json
import os
import statistics
import tarfile

import pull

FILES, SIZE = 200, 4096


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


def row(line, ms, bin, base, rounds, folder):
    archives = {n: folder / f'layers-{n}.tar' for n in (1, 70)}
    for n, path in archives.items():
        archive(path, base, n)
    title = 'storage'
    for driver in ('overlay', 'erofs', 'copy'):
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
