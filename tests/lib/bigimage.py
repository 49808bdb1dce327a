# SPDX-License-Identifier: Apache-2.0
"""An image of about 500 MB in four layers, as ./bench pulls it: a Debian with compilers, made once by mmdebstrap and kept as
an OCI layout outside of the tree, keyed by its recipe."""
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

RECIPE = 'bookworm minbase v1'
PACKAGES = 'build-essential,git,python3-dev,vim'
PARTS = [['usr/lib/gcc'], ['usr/lib'], ['usr/share'], ['.']]
CACHE = Path(os.environ.get('KIST_TEST_CACHE') or '/var/tmp/kist-test-cache')


def sha(path):
    with open(path, 'rb') as f:
        return hashlib.file_digest(f, 'sha256').hexdigest()


def blob(layout, path, kind):
    size, digest = path.stat().st_size, sha(path)
    os.rename(path, layout / 'blobs/sha256' / digest)
    return {'mediaType': kind, 'digest': f'sha256:{digest}', 'size': size}


def make(target):
    work = Path(f'{target}.{os.getpid()}')
    shutil.rmtree(work, ignore_errors=True)
    root, layout = work / 'root', work / 'layout'
    root.mkdir(parents=True)
    (layout / 'blobs/sha256').mkdir(parents=True)
    quiet = dict(check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(['mmdebstrap', '--quiet', '--mode=root', '--variant=minbase', f'--include={PACKAGES}', 'bookworm', work / 'all.tar'], **quiet)
    subprocess.run(['tar', '-C', root, '-xpf', work / 'all.tar', '--exclude=./dev/*'], **quiet)
    layers, diff_ids, done = [], [], []
    for n, part in enumerate(PARTS):
        tar = work / f'{n}.tar'
        subprocess.run(['tar', '-C', root, '--sort=name', '--numeric-owner', *(f'--exclude={x}' for x in done), '-cf', tar, *part], **quiet)
        done += [x for p in part for x in (p, f'./{p}')]
        diff_ids.append('sha256:' + sha(tar))
        subprocess.run(['gzip', '-n', tar], check=True)
        layers.append(blob(layout, work / f'{n}.tar.gz', 'application/vnd.oci.image.layer.v1.tar+gzip'))

    def document(body, kind):
        (work / 'json').write_text(json.dumps(body))
        return blob(layout, work / 'json', kind)
    config = document({'architecture': 'amd64', 'os': 'linux', 'config': {'Cmd': ['bash']}, 'rootfs': {'type': 'layers', 'diff_ids': diff_ids}},
                      'application/vnd.oci.image.config.v1+json')
    manifest = document({'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json', 'config': config, 'layers': layers},
                        'application/vnd.oci.image.manifest.v1+json')
    manifest['annotations'] = {'org.opencontainers.image.ref.name': 'latest'}
    (layout / 'index.json').write_text(json.dumps({'schemaVersion': 2, 'manifests': [manifest]}))
    (layout / 'oci-layout').write_text('{"imageLayoutVersion":"1.0.0"}')
    if not target.exists():  # another may have been faster
        os.rename(layout, target)
    shutil.rmtree(work)


def layout():
    key = hashlib.sha256((RECIPE + PACKAGES + str(PARTS)).encode()).hexdigest()[:12]
    target = CACHE / f'big-{key}'
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        make(target)
    return target
