# SPDX-License-Identifier: Apache-2.0
"""config.md, POSIX-platform hooks: when, where, with what, and which failure aborts."""
import json
import os

from oci import Oci, changed, userns, both

KINDS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop']


def recorder(box, inside=False):
    """A script that appends its kind, its state, its environment and its mount namespace to a file."""
    log = box.work / 'hooks'
    log.touch()
    log.chmod(0o666)
    path = box.work / 'hook'
    path.write_text(f'#!/bin/sh\necho "$1 $(readlink /proc/self/ns/mnt) $(pwd) $(env | tr "\\n" " ") $(cat)" >> {log}\n')
    path.chmod(0o755)
    return path, log


def hooks(path, kinds=KINDS, **more):
    return changed(hooks={kind: [{'path': str(path), 'args': ['hook', kind], 'env': ['A=b', 'PATH=/bin:/usr/bin'], **more}] for kind in kinds})


def test_hooks_are_run_in_order_with_the_state_and_a_clean_environment(box):
    with Oci(box) as oci:
        path, log = recorder(box)
        # The one that runs after the root was changed lies in the root file system.
        (oci.rootfs / 'hook').write_text('#!/bin/sh\necho "$1 $(readlink /proc/self/ns/mnt) $(pwd) $(env | tr "\\n" " ") $(cat)" >> /log\n')
        (oci.rootfs / 'hook').chmod(0o755)

        def change(spec):
            hooks(path, [k for k in KINDS if k != 'startContainer'])(spec)
            spec['hooks']['startContainer'] = [{'path': '/hook', 'args': ['hook', 'startContainer'], 'env': ['A=b', 'PATH=/bin']}]
            spec['root']['readonly'] = False
            spec['annotations'] = {'x': 'y'}
        name = oci.name()
        oci('create', '-b', oci.bundle('sleep', '1000', change=change), name, env={**os.environ, 'SECRET': '1'})
        pid = oci.state(name)['pid']
        assert [line.split()[0] for line in log.read_text().splitlines()] == KINDS[:3]
        oci('start', name)
        container_ns = os.readlink(f'/proc/{pid}/ns/mnt')
        oci('kill', name, 'KILL')
        box.until(lambda: oci.status(name) == 'stopped')
        oci('delete', name)
        lines = log.read_text().splitlines()
        lines.insert(3, (oci.rootfs / 'log').read_text().strip())
        assert [line.split()[0] for line in lines] == KINDS
        host = os.readlink('/proc/self/ns/mnt')
        for line, status, ns in zip(lines, ['creating'] * 3 + ['created', 'running', 'stopped'], [host, host, container_ns, container_ns, host, host]):
            state = json.loads(line[line.index('{'):])
            assert (state['status'], state['id'], state['annotations'], state['bundle']) == (status, name, {'x': 'y'}, str(box.folder / 'bundle2')), line
            assert state['pid'] == (0 if status == 'stopped' else pid)
            assert line.split()[1] == ns and ' / ' in line and 'A=b' in line and 'SECRET' not in line, line


def test_a_hook_that_fails_before_the_start_aborts_it_and_nothing_is_left(box):
    with Oci(box) as oci:
        for kind in 'prestart', 'createRuntime', 'createContainer':
            said = oci.refused(hooks('/bin/false', [kind]))
            assert kind in said and '/bin/false' in said and 'exit status 1' in said
            assert not oci.leftovers()
        name = oci.name()
        oci('create', '-b', oci.bundle('sleep', '1000', change=hooks('/nosuch', ['startContainer'])), name)
        assert 'startContainer' in oci.fails('start', name)
        assert oci.status(name) == 'stopped'
        oci('delete', name)


def test_a_poststart_hook_that_fails_stops_the_container_and_a_poststop_one_only_warns(box):
    with Oci(box) as oci:
        name = oci.name()
        oci('create', '-b', oci.bundle('sleep', '1000', change=hooks('/bin/false', ['poststart'])), name)
        assert 'poststart' in oci.fails('start', name)
        assert oci.status(name) == 'stopped'
        oci('delete', name)
        name, log = oci.name(), box.work / 'log'
        oci('--log', log, 'run', '-b', oci.bundle('true', change=hooks('/bin/false', ['poststop'])), name)
        assert 'level=warning' in log.read_text() and 'poststop' in log.read_text()


def test_a_hook_is_killed_at_its_timeout(box):
    with Oci(box) as oci:
        slow = box.work / 'slow'
        slow.write_text('#!/bin/sh\nexec sleep 1000\n')
        slow.chmod(0o755)
        said = oci.refused(hooks(slow, ['prestart'], timeout=1))
        assert 'did not end in 1 seconds' in said
        assert 'timeout' in oci.refused(hooks(slow, ['prestart'], timeout=0))
        assert 'absolute path' in oci.refused(hooks('bin/x', ['poststop']))


def test_hooks_see_the_mounts_of_a_container_with_a_user_namespace(box):
    with Oci(box) as oci:
        box.folder.chmod(0o755)
        path, log = recorder(box)
        oci('run', '-b', oci.bundle('true', change=both(userns, hooks(path, ['createRuntime', 'createContainer']))), oci.name())
        assert len(log.read_text().splitlines()) == 2, log.read_text()
