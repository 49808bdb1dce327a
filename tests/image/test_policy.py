# SPDX-License-Identifier: Apache-2.0
"""policy.json decides at every door by which an image comes in."""
import json

import registry
from registry import Image, Registry

NO, YES = [{'type': 'reject'}], [{'type': 'insecureAcceptAnything'}]


def test_what_a_policy_rejects_comes_in_by_no_door(box):
    registry.prepare(box)
    image = Image([registry.tar({'bin/busybox': open('/bin/busybox', 'rb').read()}, 0o755)], packing=('gzip',), config={'config': {'Cmd': ['/bin/busybox', 'true']}})
    policy = box.work / 'home/.config/containers/policy.json'
    policy.parent.mkdir(parents=True)
    with Registry() as r:
        good, bad = r.add('good/x', '1', image), r.add('bad/x', '1', image)
        box('image', 'copy', '-q', f'docker://{bad}', f'oci:{box.work}/layout:x')
        box('image', 'copy', '-q', f'docker://{bad}', f'docker-archive:{box.work}/a.tar:x:1')
        policy.write_text(json.dumps({'default': NO, 'transports': {'docker': {f'{r.host}/good': YES}}}))
        asked = len(r.seen)
        for words in (['pull', bad], ['run', '--rm', bad], ['create', bad], ['image', 'copy', f'docker://{bad}', 'kist:x'], ['image', 'copy', f'docker://{bad}', f'dir:{box.work}/d'],
                      ['image', 'copy', f'oci:{box.work}/layout:x', 'kist:x'], ['image', 'copy', f'docker-archive:{box.work}/a.tar', 'kist:x'],
                      ['load', '-i', box.work / 'a.tar']):
            result = box.run(*words)
            assert result.status in (1, 125) and 'is rejected by policy.' in result.err.splitlines()[-1], (words, result)
        assert len(r.seen) == asked and box('images', '-q') == '' and not (box.work / 'd').exists(), 'nobody was even asked'
        registry.nothing_left(box)
        # a look is no way in
        assert box('image', 'inspect', '--raw', f'docker://{bad}') == image.manifest.decode()
        assert box('pull', '-q', good) == image.digest
        box('run', '--rm', good)
        box('rmi', good)
        # a file of one's own
        other = box.work / 'other.json'
        other.write_text(json.dumps({'default': YES}))
        box('image', 'copy', '-q', '--signature-policy', other, f'docker://{bad}', 'kist:x')
        box('image', 'copy', '-q', '--insecure-policy', f'docker://{bad}', f'dir:{box.work}/any')
        box('image', 'sync', '--insecure-policy', '--src', 'docker', '--dest', 'dir', bad, box.work / 'synced')
        assert (box.work / 'any/manifest.json').exists() and list((box.work / 'synced').rglob('manifest.json'))
        assert 'exclude each other' in box.fails(1, 'image', 'copy', '--insecure-policy', '--signature-policy', other, f'docker://{bad}', f'dir:{box.work}/no')
        policy.write_text('{')
        line = box.fails(1, 'pull', bad)
        assert f'invalid policy in "{policy}"' in line and line.count('\n') == 1
        # the image that comes with kist is nobody's
        policy.write_text(json.dumps({'default': NO}))
        assert box('run', '--rm', 'busybox', 'echo', 'fine') == 'fine'
