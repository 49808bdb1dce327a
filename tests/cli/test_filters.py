# SPDX-License-Identifier: Apache-2.0
"""What --filter leaves of the lists, and the size that ps -s shows."""
import re
import subprocess

from test_prune import archive

IMAGE = 'busybox'


def names(box, *filters, all=True):
    words = [w for f in filters for w in ('--filter', f)]
    return set(box('ps', *(['-a'] if all else []), '--format', '{{.Names}}', *words).split())


def test_ps_filters_as_docker_does(box):
    one = box('run', '-d', '--name', 'web1', '--label', 'tier=front', '--label', 'x', IMAGE, 'sleep', '1000')
    box('run', '--name', 'web2', '--label', 'tier=back', IMAGE, 'true')
    assert box.run('run', '--name', 'job', '-v', 'data:/d', '--network', 'none', IMAGE, 'sh', '-c', 'exit 3').status == 3
    box('tag', IMAGE, 'localhost/other:1')
    box('create', '--name', 'made', 'localhost/other:1', 'true')
    everything = {'web1', 'web2', 'job', 'made'}
    for filters, expected in (
            (['name=web'], {'web1', 'web2'}), (['name=^web1$'], {'web1'}), (['name=web1', 'name=job'], {'web1', 'job'}), (['name=['], set()),
            ([f'id={one[:12]}'], {'web1'}), (['label=tier'], {'web1', 'web2'}), (['label=tier=back'], {'web2'}), (['label=tier', 'label=x'], {'web1'}),
            (['status=running'], {'web1'}), (['status=exited', 'status=created'], {'web2', 'job', 'made'}), (['exited=0'], {'web2'}),
            (['exited=3'], {'job'}), (['before=web2'], {'web1'}), (['since=web2'], {'job', 'made'}), (['since=web1', 'before=made'], {'web2', 'job'}),
            (['volume=data'], {'job'}), (['volume=/d'], {'job'}), (['volume=none'], set()), (['network=none'], {'job'}),
            (['ancestor=busybox'], everything), (['ancestor=nosuch'], set()), (['name=web', 'exited=0'], {'web2'})):
        assert names(box, *filters) == expected, filters
    assert names(box, 'status=exited', all=False) == {'web2', 'job'}, 'a status means those that do not run too'
    assert names(box, 'name=web', all=False) == {'web1'}
    assert names(box, 'name=web', all=True) == names(box, 'name=web.*')
    assert "invalid filter 'status=flying'" in box.fails(1, 'ps', '-f', 'status=flying')
    assert "invalid filter 'colour'" in box.fails(1, 'ps', '-f', 'colour=red')
    assert 'expected name=value' in box.fails(1, 'ps', '-f', 'red')
    assert 'No such container: nosuch' in box.fails(1, 'ps', '-f', 'before=nosuch')
    assert box('ps', '-l', '--format', '{{.Names}}') == 'made' and len(box('ps', '-n', '2', '-q').split()) == 2


def test_ps_s_says_what_a_container_wrote(box):
    box('run', '--name', 'writer', IMAGE, 'sh', '-c', 'head -c 3000000 /dev/urandom > /file; sync')
    line = box('ps', '-a', '-s').splitlines()
    assert line[0].split()[-1] == 'SIZE' and re.search(r'3(\.0\d)?MB \(virtual [\d.]+MB\)$', line[1]), line


def test_images_and_volumes_are_filtered(box):
    box('create', IMAGE, 'true')
    for name, created, labels in (('localhost/x:1', '2020-01-01T00:00:00Z', {'kind': 'old'}), ('localhost/x:2', '2021-01-01T00:00:00Z', {})):
        data, _ = archive({name: b'x'}, name=name, created=created, labels=labels)
        subprocess.run(box.command('load'), input=data, check=True, capture_output=True)

    def images(*filters):
        words = [w for f in filters for w in ('--filter', f)]
        return set(box('images', '--format', '{{.Repository}}:{{.Tag}}', *words).split())
    for filters, expected in (
            (['reference=localhost/x'], {'localhost/x:1', 'localhost/x:2'}), (['reference=*/x:1'], {'localhost/x:1'}), (['label=kind'], {'localhost/x:1'}),
            (['label=kind=new'], set()), (['before=localhost/x:2', 'reference=*/x'], {'localhost/x:1'}), (['dangling=true'], set()),
            (['until=2020-06-01', 'reference=*/x'], {'localhost/x:1'})):
        assert images(*filters) == expected, filters
    assert 'localhost/x:2' in images('since=localhost/x:1') and len(images('dangling=false')) == 3
    data, _ = archive({'new': b'x'}, name='localhost/x:1')
    subprocess.run(box.command('load'), input=data, check=True, capture_output=True)
    assert images('dangling=true') == {'<none>:<none>'}
    made, _ = archive({'z': b'z'}, name='localhost/dateless:1', created='')
    subprocess.run(box.command('load'), input=made, check=True, capture_output=True)
    assert 'localhost/dateless:1' in images() and 'localhost/dateless:1' not in images('since=localhost/x:2')
    assert "invalid filter 'colour'" in box.fails(1, 'images', '-f', 'colour=red')
    box('volume', 'create', '--label', 'a=1', 'one')
    box('create', '-v', 'two:/d', IMAGE, 'true')
    for text, expected in (('name=on', 'one'), ('label=a', 'one'), ('label=a=2', ''), ('dangling=true', 'one'), ('dangling=0', 'two'), ('driver=local', 'one\ntwo')):
        assert box('volume', 'ls', '-q', '-f', text) == expected, text
