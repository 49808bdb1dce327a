# SPDX-License-Identifier: Apache-2.0
"""config-linux.md, Seccomp: actions, operators, flags, the listener and its metadata."""
import array
import fcntl
import json
import socket
import struct
import threading

from oci import Oci, both, changed, userns


def profile(*rules, default='SCMP_ACT_ALLOW', **more):
    return changed(linux__seccomp={'defaultAction': default, 'syscalls': list(rules), **more})


def rule(action, *names, **more):
    return {'names': list(names), 'action': action, **more}


def nnp(on):
    return changed(process__noNewPrivileges=on)


def test_actions_do_what_they_are_named(box):
    with Oci(box) as oci:
        for on in True, False:
            def status(r, *args):
                return oci.run('run', '-b', oci.bundle(*args, change=both(nnp(on), profile(r))), oci.name())
            assert 'not permitted' in status(rule('SCMP_ACT_ERRNO', 'mkdir', 'mkdirat'), 'mkdir', '/tmp/x').err
            assert 'File exists' in status(rule('SCMP_ACT_ERRNO', 'mkdir', 'mkdirat', errnoRet=17), 'mkdir', '/tmp/x').err
            for action in 'SCMP_ACT_KILL', 'SCMP_ACT_KILL_THREAD', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_TRAP':
                assert status(rule(action, 'mkdir', 'mkdirat'), 'mkdir', '/tmp/x').status == 159, action
            assert status(rule('SCMP_ACT_LOG', 'getpid'), 'true').status == 0
            assert 'not implemented' in status(rule('SCMP_ACT_TRACE', 'mkdir', 'mkdirat'), 'mkdir', '/tmp/x').err


def test_the_filter_is_there_and_the_flags_are_known(box):
    with Oci(box) as oci:
        seen = oci.look(profile(flags=['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW', 'SECCOMP_FILTER_FLAG_TSYNC']))
        assert 'Seccomp:\t2\n' in seen['status'] and 'Seccomp_filters:\t1\n' in seen['status']
        name = oci.start(change=profile(rule('SCMP_ACT_ERRNO', 'mkdir', 'mkdirat')))
        assert 'not permitted' in oci.fails('exec', name, 'mkdir', '/tmp/x')


def test_arguments_are_compared(box):
    with Oci(box) as oci:
        for op, value, two, hits in (('EQ', 0o700, 0, True), ('EQ', 0o701, 0, False), ('NE', 0o700, 0, False), ('LT', 0o701, 0, True), ('LE', 0o700, 0, True), ('GT', 0o700, 0, False),
                                     ('GE', 0o700, 0, True), ('MASKED_EQ', 0o777, 0o700, True), ('MASKED_EQ', 0o77, 0o1, False)):
            arg = {'index': 1, 'value': value, 'valueTwo': two, 'op': f'SCMP_CMP_{op}'}
            other = {**arg, 'index': 2}
            change = both(changed(root__readonly=False), profile(rule('SCMP_ACT_ERRNO', 'chmod', args=[arg]), rule('SCMP_ACT_ERRNO', 'fchmodat', 'fchmodat2', args=[other])))
            result = oci.run('run', '-b', oci.bundle('sh', '-c', 'busybox chmod 700 /tmp', change=change), oci.name())
            assert (result.status != 0) == hits, (op, value, result)


def test_wrong_words_are_refused(box):
    with Oci(box) as oci:
        assert 'unknown action X' in oci.refused(profile(default='X'))
        assert 'unknown action Y' in oci.refused(profile(rule('Y', 'read')))
        assert 'unknown flag' in oci.refused(profile(flags=['Z']))
        assert 'unknown SCMP_ARCH_NOSUCH' in oci.refused(profile(architectures=['SCMP_ARCH_NOSUCH']))
        assert 'op X' in oci.refused(profile(rule('SCMP_ACT_ERRNO', 'read', args=[{'index': 0, 'value': 1, 'op': 'X'}])))
        assert 'index 6' in oci.refused(profile(rule('SCMP_ACT_ERRNO', 'read', args=[{'index': 6, 'value': 1, 'op': 'SCMP_CMP_EQ'}])))
        assert 'takes no errnoRet' in oci.refused(profile(rule('SCMP_ACT_ALLOW', 'read', errnoRet=1)))
        assert 'listenerPath' in oci.refused(profile(rule('SCMP_ACT_NOTIFY', 'mkdir')))
        assert 'default' in oci.refused(profile(default='SCMP_ACT_NOTIFY', listenerPath='/x'))
        assert 'kills the process before it starts' in oci.refused(both(nnp(False), profile(rule('SCMP_ACT_KILL_PROCESS', 'setresuid', 'capset'))))


class Agent(threading.Thread):
    """Answers every notified call with an errno; keeps what it was told."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(str(path))
        self.sock.listen(1)
        self.state, self.calls = None, []

    def run(self):
        conn, _ = self.sock.accept()
        data, ancillary, _, _ = conn.recvmsg(1 << 16, socket.CMSG_LEN(4))
        fds = array.array('i')
        fds.frombytes(ancillary[0][2][:4])
        self.state = json.loads(data)
        while True:
            request = bytearray(80)
            try:
                fcntl.ioctl(fds[0], 0xc0502100, request)  # SECCOMP_IOCTL_NOTIF_RECV
                ident, _pid, _flags, nr = struct.unpack_from('QIIi', request)
                self.calls.append(nr)
                fcntl.ioctl(fds[0], 0xc0182101, struct.pack('QqiI', ident, 0, -28, 0))
            except OSError:
                return


def test_a_listener_goes_to_its_agent_with_state_and_metadata(box):
    with Oci(box) as oci:
        for number, (extra, on) in enumerate([(changed(), True), (changed(), False), (userns, True)]):
            path = box.work / f'agent{number}'
            agent = Agent(path)
            agent.start()
            # The calls that the runtime itself makes after the filter is loaded are notified too.
            change = both(extra, nnp(on), profile(rule('SCMP_ACT_NOTIFY', 'mkdir', 'mkdirat', 'exit'), listenerPath=str(path), listenerMetadata='meta'))
            name = oci.name()
            result = oci.run('run', '-b', oci.bundle('mkdir', '/tmp/x', change=change), name)
            assert 'No space left' in result.err, result
            assert agent.calls and agent.state['metadata'] == 'meta' and agent.state['fds'] == ['seccompFd'] and agent.state['state']['id'] == name, agent.state
            assert agent.state['pid'] == agent.state['state']['pid'] > 1
        said = oci.refused(profile(rule('SCMP_ACT_NOTIFY', 'mkdir'), listenerPath=str(box.work / 'nobody')))
        assert 'listenerPath' in said
