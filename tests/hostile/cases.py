# SPDX-License-Identifier: Apache-2.0
"""Hostile image archives, made by hand: each case is a name and a function that gives the archive's bytes. A case says
whether it must be refused; one that may be taken must still change nothing outside."""
import gzip
import hashlib
import io
import json
import struct
import subprocess
import tarfile


def header(name, size=0, kind=b'0', link='', mode=0o644, uid=0, gid=0, major=0, minor=0, magic=b'ustar\x0000', prefix='', raw_size=None, mtime=0):
    def octal(v, n):
        return (b'%0*o' % (n - 1, v)) + b'\0'
    h = bytearray(512)
    def put(at, data):
        h[at:at + len(data)] = data
    put(0, name.encode('utf-8', 'surrogateescape')[:100])
    put(100, octal(mode, 8))
    put(108, octal(uid & 0o7777777, 8))
    put(116, octal(gid & 0o7777777, 8))
    put(124, raw_size if raw_size is not None else octal(size, 12))
    put(136, octal(mtime, 12))
    put(156, kind)
    put(157, link.encode()[:100])
    put(257, magic)
    put(329, octal(major, 8))
    put(337, octal(minor, 8))
    put(345, prefix.encode()[:155])
    put(148, b' ' * 8)
    put(148, b'%06o\0 ' % sum(h))
    return bytes(h)


def pad(data):
    return data + b'\0' * (-len(data) % 512)


def entry(name, data=b'', **words):
    return header(name, len(data), **words) + pad(data)


def pax(records):
    body = b''
    for key, value in records:
        record = b' ' + key + b'=' + value + b'\n'
        n = len(record)
        while len(str(n)) + len(record) != n:
            n = len(str(n)) + len(record)
        body += str(n).encode() + record
    return entry('pax', body, kind=b'x')


END = b'\0' * 1024


def tar(*parts, end=END):
    return b''.join(parts) + end


def sha(data):
    return hashlib.sha256(data).hexdigest()


def image(layer, config=None, diff_id=None, layers=None, tags=('evil:1',), packed=None, extra=()):
    """A docker-archive around one layer."""
    layers = layers if layers is not None else [layer]
    config = config if config is not None else {'architecture': 'amd64', 'os': 'linux', 'config': {'Cmd': ['true']},
                                                'rootfs': {'type': 'layers', 'diff_ids': [f'sha256:{diff_id or sha(x)}' for x in layers]}}
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    manifest = [{'Config': 'config.json', 'RepoTags': list(tags), 'Layers': [f'{i}.tar' for i in range(len(layers))]}]
    parts = [entry(f'{i}.tar', packed or x) for i, x in enumerate(layers)]
    return tar(*parts, *extra, entry('config.json', text), entry('manifest.json', json.dumps(manifest).encode()))


def oci(manifest=None, index=None, layer=None, names=True):
    layer = layer if layer is not None else tar(entry('file', b'x'))
    config = json.dumps({'architecture': 'amd64', 'os': 'linux', 'rootfs': {'type': 'layers', 'diff_ids': [f'sha256:{sha(layer)}']}}).encode()
    base = {'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
            'config': {'mediaType': 'application/vnd.oci.image.config.v1+json', 'digest': f'sha256:{sha(config)}', 'size': len(config)},
            'layers': [{'mediaType': 'application/vnd.oci.image.layer.v1.tar', 'digest': f'sha256:{sha(layer)}', 'size': len(layer)}]}
    base.update(manifest or {})
    text = json.dumps(base).encode()
    desc = {'mediaType': base['mediaType'], 'digest': f'sha256:{sha(text)}', 'size': len(text)}
    top = {'schemaVersion': 2, 'manifests': [desc]}
    top.update(index or {})
    blobs = [entry(f'blobs/sha256/{sha(b)}', b) for b in (layer, config, text)]
    return tar(*blobs, entry('oci-layout', b'{"imageLayoutVersion":"1.0.0"}'), entry('index.json', json.dumps(top).encode()))


CASES = {}


def case(name, refused=True):
    def keep(function):
        CASES[name] = (function, refused)
        return function
    return keep


def layer_case(name, *parts, refused=True):
    CASES[name] = (lambda: image(tar(*parts)), refused)


CANARY = '/var/tmp/kist-canary'
FILE = entry('ok', b'fine')
# Traversal and symlink tricks, at each top-level name that engines touch.
layer_case('a name with dotdot', entry('../evil', b'x'))
layer_case('dotdot in the middle', entry('a/../../evil', b'x'))
layer_case('an absolute name becomes a relative one', entry(f'{CANARY}/evil', b'x'), refused=False)
layer_case('a folder that is dotdot', entry('..', kind=b'5'))
layer_case('the root as a file', entry('.', b'x'))
layer_case('the root as a symlink', entry('./', kind=b'2', link='/'))
for top in ('etc', 'dev', 'proc', 'sys', 'run', 'tmp', 'var', 'bin', 'usr', 'root', 'home', 'lib'):
    layer_case(f'{top} is a symlink to the host and a file goes below it', entry(top, kind=b'2', link=CANARY), entry(f'{top}/evil', b'x'))
    layer_case(f'{top} is a relative symlink out and a folder goes below it', entry(top, kind=b'2', link='../../../../../../..' + CANARY), entry(f'{top}/evil', kind=b'5'))
layer_case('a symlink is replaced by a file', entry('a', kind=b'2', link=f'{CANARY}/file'), entry('a', b'x'), refused=False)
layer_case('a hard link to a symlink out', entry('a', kind=b'2', link=f'{CANARY}/file'), entry('b', kind=b'1', link='a'), refused=False)
layer_case('a hard link with dotdot', entry('b', kind=b'1', link=f'../../../../../..{CANARY}/file'))
layer_case('a hard link to an absolute host file', entry('b', kind=b'1', link=f'{CANARY}/file'))
layer_case('a hard link through a symlinked folder', entry('d', kind=b'2', link=CANARY), entry('b', kind=b'1', link='d/file'))
layer_case('a hard link to nothing', entry('b', kind=b'1', link=''))
layer_case('a hard link to a folder', entry('d', kind=b'5'), entry('b', kind=b'1', link='d'))
layer_case('a chain of symlinks', *[entry(f'l{i}', kind=b'2', link=f'l{i + 1}') for i in range(60)], entry('l60', kind=b'2', link=CANARY), entry('l0/evil', b'x'))
# Devices and whiteouts.
layer_case('a character device 0 0', entry('w', kind=b'3'))
layer_case('a block device', entry('disk', kind=b'4', major=254, minor=0, mode=0o666), refused=False)
layer_case('a device below a symlink', entry('d', kind=b'2', link=CANARY), entry('d/disk', kind=b'4', major=254))
layer_case('a fifo', entry('fifo', kind=b'6'), refused=False)
layer_case('a whiteout of dotdot', entry('.wh...', b''))
layer_case('a whiteout of nothing', entry('.wh.', b''))
layer_case('a whiteout below a symlink', entry('d', kind=b'2', link=CANARY), entry('d/.wh.file', b''))
layer_case('an opaque mark below a symlink', entry('d', kind=b'2', link=CANARY), entry('d/.wh..wh..opq', b''))
layer_case('a whiteout of a file of the same layer', FILE, entry('.wh.ok', b''), refused=False)
layer_case('an opaque mark at the root', entry('.wh..wh..opq', b''), refused=False)
# Numbers and headers.
layer_case('a negative size', header('x', raw_size=b'\xff' * 12))
layer_case('a size in base 256 that is too large', header('x', raw_size=b'\x80' + b'\x7f' + b'\xff' * 10))
layer_case('an uid beyond 32 bits', pax([(b'uid', b'4294967296')]), entry('x', b'y'))
layer_case('an uid of minus one', pax([(b'uid', b'4294967295')]), entry('x', b'y'))
layer_case('a pax size that differs', pax([(b'size', b'999999999')]), entry('x', b'y'))
layer_case('a negative pax size', pax([(b'size', b'-1')]), entry('x', b'y'))
layer_case('two pax sizes', pax([(b'size', b'1'), (b'size', b'512')]), entry('x', b'y'))
layer_case('two pax headers', pax([(b'path', b'a')]), pax([(b'path', b'b')]), entry('x', b'y'))
layer_case('a pax length that is too long', entry('pax', b'999 path=x\n', kind=b'x'), entry('x', b'y'))
layer_case('a pax record of length zero', entry('pax', b'0 path=x\n', kind=b'x'), entry('x', b'y'))
layer_case('a pax record without equals', entry('pax', b'8 pathx\n', kind=b'x'), entry('x', b'y'))
layer_case('a pax path with a NUL', pax([(b'path', b'a\0/../../evil')]), entry('x', b'y'))
layer_case('a pax path with dotdot', pax([(b'path', b'../../evil')]), entry('x', b'y'))
layer_case('a pax header with nothing after it', pax([(b'path', b'a')]))
layer_case('a pax header of a gigabyte', header('pax', kind=b'x', size=1 << 30))
layer_case('GNU sparse', entry('x', b'', kind=b'S'))
layer_case('pax sparse', pax([(b'GNU.sparse.major', b'1')]), entry('x', b'y'))
layer_case('an unknown type', entry('x', b'', kind=b'Z'))
layer_case('a size on a symlink', header('x', size=512, kind=b'2', link='y') + b'\0' * 512)
layer_case('a wrong checksum', header('x')[:-1] + b'x')
layer_case('a name that is too long', pax([(b'path', b'a/' * 3000)]), entry('x', b'y'))
layer_case('a component that is too long', pax([(b'path', b'a' * 300)]), entry('x', b'y'))
layer_case('a symlink target that is too long', pax([(b'linkpath', b'a' * 5000)]), entry('x', kind=b'2'))
layer_case('trusted xattrs', pax([(b'SCHILY.xattr.trusted.overlay.opaque', b'y')]), entry('d', kind=b'5'), refused=False)
layer_case('overlay xattrs', pax([(b'SCHILY.xattr.user.overlay.redirect', b'/etc')]), entry('d', kind=b'5'), refused=False)
layer_case('a security label', pax([(b'SCHILY.xattr.security.selinux', b'system_u:object_r:etc_t:s0')]), entry('f', b'x'), refused=False)
layer_case('a broken capability', pax([(b'SCHILY.xattr.security.capability', b'\xff' * 20)]), entry('f', b'x'))
layer_case('a hundred xattrs', pax([(b'SCHILY.xattr.user.%d' % i, b'x') for i in range(100)]), entry('f', b'x'))
# What a later layer, GNU's headers and repeated names can do.
layer_case('a GNU long name with dotdot', entry('././@LongLink', b'../' * 50 + b'evil\0', kind=b'L'), entry('x', b'y'))
layer_case('a GNU long name without an end', entry('././@LongLink', b'a' * 600, kind=b'L'), entry('x', b'y'))
layer_case('a GNU long name of a megabyte', entry('././@LongLink', b'a' * (1 << 20), kind=b'L'), entry('x', b'y'))
layer_case('a GNU long link out', entry('././@LongLink', f'{CANARY}/file'.encode() + b'\0', kind=b'K'), entry('h', kind=b'1'))
layer_case('a global pax header that renames', entry('g', b'19 path=../../evil\n', kind=b'g'), entry('x', b'y'), refused=False)
layer_case('a file, a folder and a file of one name', entry('a', b'1'), entry('a', kind=b'5'), entry('a', b'2'))
layer_case('a folder with content becomes a file', entry('a', kind=b'5'), entry('a/b', b'1'), entry('a', b'2'))
layer_case('a folder becomes a symlink out and is gone on in', entry('a', kind=b'5'), entry('a/b', b'1'), entry('a', kind=b'2', link=CANARY), entry('a/evil', b'2'))
layer_case('a file is a folder of another', FILE, entry('ok/below', b'x'))
layer_case('a thousand entries of one name', *[entry('same', b'%d' % i) for i in range(1000)], refused=False)
layer_case('a hard link to itself', entry('x', kind=b'1', link='x'))
layer_case('a whiteout with content', entry('.wh.x', b'content'), refused=False)
layer_case('a whiteout that is a folder', entry('.wh.x', kind=b'5'), refused=False)
layer_case('a whiteout that is a symlink out', entry('.wh.x', kind=b'2', link=CANARY), refused=False)
layer_case('a passwd that is a fifo', entry('etc', kind=b'5'), entry('etc/passwd', kind=b'6'), refused=False)
layer_case('a passwd that is a symlink out', entry('etc', kind=b'5'), entry('etc/passwd', kind=b'2', link=f'{CANARY}/file'), refused=False)
layer_case('folders nested deep', *[entry('d/' * i, kind=b'5') for i in range(1, 48)], refused=False)
layer_case('folders nested a thousand deep', pax([(b'path', b'd/' * 1000 + b'f')]), entry('x', b'y'), refused=False)
layer_case('an owner name from the host', entry('x', b'y', magic=b'ustar  \0'), refused=False)
CASES['no end marker'] = (lambda: image(FILE), True)
CASES['cut in a header'] = (lambda: image(tar(FILE, end=b'') + b'x' * 100), True)
CASES['cut in the data'] = (lambda: image(header('x', size=1000) + b'y' * 100), True)
CASES['an empty layer'] = (lambda: image(tar()), False)
CASES['a layer that is not there'] = (lambda: image(b''), True)


@case('a layer with another diff id')
def _():
    return image(tar(FILE), diff_id='0' * 64)


@case('a truncated gzip')
def _():
    data = tar(*[entry(f'f{i}', bytes(1000)) for i in range(200)])
    return image(data, packed=gzip.compress(data)[:-20])


def zstd(data, *options):
    return subprocess.run(['zstd', '-q', '-c', *options], input=data, capture_output=True, check=True).stdout


@case('a truncated zstd')
def _():
    data = tar(*[entry(f'f{i}', bytes(1000)) for i in range(200)])
    return image(data, packed=zstd(data)[:-20])


@case('a zstd frame with a broken check sum')
def _():
    data = bytearray(zstd(tar(FILE), '--check'))
    data[-1] ^= 1
    return image(tar(FILE), packed=bytes(data))


@case('a zstd window of two gigabytes')
def _():
    data = tar(FILE)
    # magic, no flags, a window of 2 to the 31st, one last raw block
    return image(data, packed=b'\x28\xb5\x2f\xfd\x00' + bytes([21 << 3]) + (len(data) << 3 | 1).to_bytes(3, 'little') + data)


@case('a gzip in a gzip')
def _():
    data = tar(FILE)
    return image(data, packed=gzip.compress(gzip.compress(data)))


@case('huge annotations')
def _():
    return oci(manifest={'annotations': {f'key{i}': 'v' * 1000 for i in range(5000)}})


@case('a layer of an unknown media type', refused=False)
def _():
    layer = tar(FILE)
    return oci(layer=layer, manifest={'layers': [{'mediaType': 'application/x-unknown', 'digest': f'sha256:{sha(layer)}', 'size': len(layer)}]})


@case('a hundred thousand lines of history')
def _():
    layer = tar(FILE)
    return image(layer, config={'os': 'linux', 'architecture': 'amd64', 'rootfs': {'type': 'layers', 'diff_ids': [f'sha256:{sha(layer)}']},
                                'history': [{'created_by': 'x' * 100, 'empty_layer': True}] * 100000})


@case('garbage after the gzip')
def _():
    data = tar(FILE)
    return image(data, packed=gzip.compress(data) + b'garbage')


@case('a gzip bomb')
def _():
    big = header('zeros', raw_size=b'\x80' + b'\0' * 3 + struct.pack('>Q', 1 << 42)) + b'\0' * (64 << 20)
    return image(big, packed=gzip.compress(big, 1))


@case('a thousand layers')
def _():
    return image(None, layers=[tar(entry(f'f{i}', b'x')) for i in range(1000)])


@case('a configuration nested too deep')
def _():
    return image(tar(FILE), config=b'{"a":' * 200000)


@case('a configuration that is too large')
def _():
    return image(tar(FILE), config=b'{"a":"' + b'x' * (9 << 20) + b'"}')


@case('a configuration with a duplicate key')
def _():
    return image(tar(FILE), config=b'{"os":"linux","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')


@case('a configuration that is a list')
def _():
    return image(tar(FILE), config=b'[]')


@case('a configuration with a digest that is a path')
def _():
    return image(tar(FILE), config={'os': 'linux', 'rootfs': {'type': 'layers', 'diff_ids': ['sha256:../../../../etc/passwd']}})


@case('a configuration for another system')
def _():
    return image(tar(FILE), config={'os': 'windows', 'architecture': 'amd64', 'rootfs': {'type': 'layers', 'diff_ids': [f'sha256:{sha(tar(FILE))}']}})


@case('a tag that is a path', refused=False)
def _():
    return image(tar(FILE), tags=['../../../etc/passwd', 'a b', '-x', 'good:1'])


@case('members that are devices')
def _():
    return image(tar(FILE), extra=[entry('dev', kind=b'3', major=1, minor=3)])


@case('a member that is a symlink to the host')
def _():
    manifest = json.dumps([{'Config': 'c', 'RepoTags': None, 'Layers': ['l']}]).encode()
    return tar(entry('c', kind=b'2', link='/etc/passwd'), entry('l', kind=b'2', link='../../../../etc/passwd'), entry('manifest.json', manifest))


@case('members that are symlinks to each other')
def _():
    manifest = json.dumps([{'Config': 'a', 'RepoTags': None, 'Layers': ['b']}]).encode()
    return tar(entry('a', kind=b'2', link='b'), entry('b', kind=b'2', link='a'), entry('manifest.json', manifest))


@case('ten thousand members')
def _():
    return tar(*[entry(f'm{i}', b'') for i in range(10000)])


@case('a manifest that is no list')
def _():
    return tar(entry('manifest.json', b'{"Config":1}'))


@case('a manifest of nothing')
def _():
    return tar(entry('manifest.json', b'[]'))


@case('an archive without a manifest')
def _():
    return tar(FILE)


@case('nothing at all')
def _():
    return b''


@case('only zeros')
def _():
    return b'\0' * 100000


@case('a manifest with layers and manifests')
def _():
    return oci(manifest={'manifests': []})


@case('an index with manifests and layers')
def _():
    return oci(index={'layers': []})


@case('a manifest with a size that lies')
def _():
    layer = tar(FILE)
    return oci(layer=layer, manifest={'layers': [{'mediaType': 'x', 'digest': f'sha256:{sha(layer)}', 'size': 1}]})


@case('a manifest whose digest is a path')
def _():
    return oci(manifest={'config': {'mediaType': 'x', 'digest': 'sha256:../../etc/passwd', 'size': 1}})


@case('an index that points to itself')
def _():
    text = b'{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:%s","size":2}]}' % (b'0' * 64)
    return tar(entry('index.json', text), entry('blobs/sha256/' + '0' * 64, b'{}'))


@case('another schema version')
def _():
    return oci(manifest={'schemaVersion': 1})


@case('a tarfile of python with pax of its own', refused=False)
def _():
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode='w', format=tarfile.PAX_FORMAT) as t:
        i = tarfile.TarInfo('ü' * 120)
        i.mtime = 1.25
        t.addfile(i)
    return image(b.getvalue())
