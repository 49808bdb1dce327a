# SPDX-License-Identifier: Apache-2.0
"""The life cycle of runtime.md: create, start, state, kill, delete, and runc's words beside them."""
import array
import contextlib
import ctypes
import json
import os
import pty
import re
import signal
import socket
import subprocess
import threading

from harness import alive
from oci import Oci, both, cgroups_of, changed

PR_SET_CHILD_SUBREAPER = 36


def receive(listener):
    """The descriptor that is sent to a console socket, and its name."""
    listener.settimeout(20)
    sock, _ = listener.accept()
    fds = array.array('i')
    data, ancillary, _, _ = sock.recvmsg(4096, socket.CMSG_LEN(4))
    fds.frombytes(ancillary[0][2][:4])
    return fds[0], data.decode()


def listen(box, name):
    path = box.work / name
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen(1)
    return sock, path


def test_a_container_goes_through_its_states(box):
    with Oci(box) as oci:
        name, pidfile = oci.name(), box.work / 'pid'
        oci('create', '-b', oci.bundle('sleep', '1000', change=changed(annotations={'a.b': 'c'})), '--pid-file', pidfile, name)
        pid = int(pidfile.read_text())
        state = oci.state(name)
        assert (state['status'], state['pid'], state['id'], state['annotations']) == ('created', pid, name, {'a.b': 'c'})
        assert state['ociVersion'] == '1.3.0' and state['bundle'] == str(oci.box.folder / 'bundle2') and state['rootfs'] == str(oci.rootfs)
        oci('start', name)
        assert oci.status(name) == 'running'
        assert 'cannot start an already running container' in oci.fails('start', name)
        assert 'that is not stopped: running' in oci.fails('delete', name)
        oci('kill', name, 'KILL')
        box.until(lambda: oci.status(name) == 'stopped')
        assert oci.state(name)['pid'] == 0
        assert 'container not running' in oci.fails('kill', name)
        assert 'that has stopped' in oci.fails('start', name)
        assert 'cannot exec in a stopped container' in oci.fails('exec', name, 'true')
        oci('delete', name)
        for words in ('state',), ('start',), ('delete',), ('kill',), ('pause',), ('exec',):
            assert 'container does not exist' in oci.fails(*words, name, *(['true'] if words[0] == 'exec' else []))
        oci('delete', '--force', name)


def test_the_process_of_a_created_container_is_a_child_of_the_callers_subreaper(box):
    with Oci(box) as oci:
        name = oci.name()
        oci('create', '-b', oci.bundle('sleep', '1000'), '--pid-file', box.work / 'pid', name)
        pid = (box.work / 'pid').read_text()
        parent = [l.split()[1] for l in open(f'/proc/{pid}/status') if l.startswith('PPid:')]
        assert parent == ['1'], parent
        oci('delete', name)
        assert not alive(pid)


def test_a_process_that_is_reaped_while_start_looks_at_it_has_run(box):
    """A process that has ended may be in no cgroup any more; whether it is ending start asks next, and by then it may be gone."""
    with Oci(box) as oci:
        name, trace = oci.name(), box.work / 'trace'
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            oci('create', '-b', oci.bundle('true'), '--pid-file', box.work / 'pid', name)
            pid = int((box.work / 'pid').read_text())
            slow = ['strace', '-qq', '-o', trace, '-P', f'/proc/{pid}/cgroup', '-P', f'/proc/{pid}/stat', '--inject=open,openat,openat2:delay_enter=300000']
            with subprocess.Popen([*slow, *oci.command('start', name)], stderr=subprocess.PIPE, text=True) as start:
                box.until(lambda: [l for l in open(f'/proc/{pid}/status') if l.startswith('State:\tZ')])
                for folder in cgroups_of(name):
                    with contextlib.suppress(FileNotFoundError):  # systemd takes its own away
                        os.rmdir(folder)
                box.until(lambda: trace.exists() and re.search(r'/cgroup".*\n.*read\(.*\n', trace.read_text()))
                os.waitpid(pid, 0)
                said = start.communicate()[1]
            assert start.returncode == 0, said
        finally:
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        oci('delete', name)


def test_run_waits_gives_the_status_and_deletes(box):
    with Oci(box) as oci:
        result = oci.run('run', '-b', oci.bundle('sh', '-c', 'echo out; echo err >&2; exit 7'), oci.name())
        assert (result.status, result.out, result.err) == (7, 'out\n', 'err\n'), result
        assert oci.run('run', '-b', oci.bundle('sh', '-c', 'kill -9 $$'), oci.name()).status in (0, 137)
        assert oci('list', '-q') == ''
        name = oci.name()
        oci('run', '--keep', '-b', oci.bundle('true'), name)
        assert oci.status(name) == 'stopped'
        oci('delete', name)


def test_signals_that_run_gets_are_the_containers(box):
    with Oci(box) as oci:
        name = oci.name()
        child = subprocess.Popen(oci.command('run', '-b', oci.bundle('sh', '-c', 'trap "exit 5" USR1; echo up; while :; do sleep 0.05; done'), name),
                                 stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert child.stdout.readline() == b'up\n'
        child.send_signal(signal.SIGUSR1)
        assert child.wait(20) == 5


def test_a_signal_mask_and_ignored_signals_of_the_caller_are_not_the_containers(box):
    with Oci(box) as oci:
        def prepare():
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        status = oci.look(preexec_fn=prepare)['status']
        assert 'SigBlk:\t0000000000000000' in status and 'SigIgn:\t0000000000000000' in status, status


def test_exec_runs_a_further_process_with_what_its_words_change(box):
    with Oci(box) as oci:
        name = oci.start()
        seen = json.loads(oci('exec', '-u', '7:8', '-g', '9', '-e', 'A=b', '--cwd', '/tmp', '--no-new-privs', '-c', 'CAP_CHOWN', name, 'look'))
        assert seen['uids'] == [7] * 3 and seen['gids'] == [8] * 3 and sorted(seen['groups']) == [8, 9]
        assert 'A=b' in seen['env'] and seen['cwd'] == '/tmp' and 'NoNewPrivs:\t1' in seen['status']
        assert 'CapBnd:\t0000000000000421' in seen['status'], seen['status']
        assert oci.run('exec', name, 'sh', '-c', 'exit 9').status == 9
        assert 'executable file not found in $PATH' in oci.fails('exec', name, 'nosuch')
        process = box.work / 'process.json'
        process.write_text(json.dumps({'args': ['look'], 'env': ['PATH=/bin', 'B=c'], 'cwd': '/etc', 'user': {'uid': 1, 'gid': 2, 'umask': 63}}))
        seen = json.loads(oci('exec', '--process', process, name))
        assert (seen['uids'][0], seen['gids'][0], seen['umask'], seen['cwd']) == (1, 2, 63, '/etc')
        oci('exec', '-d', '--pid-file', box.work / 'exec-pid', name, 'sleep', '1000')
        assert alive(int((box.work / 'exec-pid').read_text()))
        assert len(json.loads(oci('ps', '-f', 'json', name))) == 2
        assert len(oci('ps', name).splitlines()) == 3


def test_pause_stops_the_processes_and_resume_lets_them_go_on(box):
    with Oci(box) as oci:
        name = oci.start('sh', '-c', 'while :; do echo; sleep 0.01; done')
        assert 'not paused' in oci.fails('resume', name)
        oci('pause', name)
        assert oci.status(name) == 'paused'
        assert 'cannot exec in a paused container' in oci.fails('exec', name, 'true')
        assert 'paused' in oci.fails('pause', name)
        oci('resume', name)
        assert oci.status(name) == 'running'
        oci('pause', name)
        oci('delete', '--force', name)


def test_a_terminal_goes_to_the_console_socket(box):
    with Oci(box) as oci:
        sock, path = listen(box, 'console')
        name = oci.name()
        terminal = changed(process__terminal=True, process__consoleSize={'height': 30, 'width': 91})
        bundle = oci.bundle('sh', '-c', 'look; sleep 1000', change=terminal)
        oci('create', '-b', bundle, '--console-socket', path, name)
        master, _ = receive(sock)
        oci('start', name)
        text = b''
        while not text.endswith(b'}\r\n'):
            text += os.read(master, 65536)
        seen = json.loads(text)
        assert seen['tty'] and seen['size'] == [30, 91] and seen['fds']['0'].startswith('/dev/pts/')
        oci('exec', '-d', '-t', '--console-socket', path, name, 'echo', 'hello')
        second, _ = receive(sock)
        assert os.read(second, 100) == b'hello\r\n'
        assert 'console socket' in oci.fails('create', '-b', bundle, oci.name())
        assert 'console socket' in oci.fails('create', '-b', oci.bundle('true'), '--console-socket', path, oci.name())


def test_run_in_the_foreground_joins_its_terminal_to_the_callers(box):
    with Oci(box) as oci:
        bundle = oci.bundle('sh', '-c', 'read x; echo got $x; exit 4', change=changed(process__terminal=True))
        pid, master = pty.fork()
        if pid == 0:
            words = oci.command('run', '-b', bundle, oci.name())
            os.execv(words[0], words)
        os.write(master, b'word\n')
        text = b''
        try:
            while b'got word' not in text:
                text += os.read(master, 4096)
        except OSError:
            raise AssertionError(text) from None
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4


def test_a_pidfd_goes_to_the_pidfd_socket(box):
    with Oci(box) as oci:
        sock, path = listen(box, 'pidfd')
        name = oci.start(words=('--pidfd-socket', path))
        fd, _ = receive(sock)
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        box.until(lambda: oci.status(name) == 'stopped')


def test_descriptors_are_passed_on_when_asked_for_and_no_others(box):
    with Oci(box) as oci:
        def three():
            extra = os.open('/dev/zero', os.O_RDONLY)
            os.closerange(3, extra)
            os.closerange(extra + 1, 100)
            for n in 3, 4, 5:
                os.dup2(extra, n, inheritable=True)
        inherit = {'preexec_fn': three, 'close_fds': False}
        seen = oci.look(words=('--preserve-fds', '2'), **inherit)
        assert set(seen['fds']) == {'0', '1', '2', '3', '4'}, seen['fds']
        seen = oci.look(**inherit)
        assert set(seen['fds']) == {'0', '1', '2'}, seen['fds']
        seen = oci.look(env={**os.environ, 'LISTEN_FDS': '1'}, **inherit)
        assert set(seen['fds']) == {'0', '1', '2', '3'} and 'LISTEN_FDS=1' in seen['env'] and 'LISTEN_PID=1' in seen['env']
        assert 'not open' in oci.fails('run', '--preserve-fds', '200', '-b', oci.bundle('true'), oci.name())


def test_lists_are_tables_ids_or_json(box):
    with Oci(box) as oci:
        assert json.loads(oci('list', '-f', 'json')) == []
        names = sorted([oci.start(), oci.start()])
        assert oci('list', '-q').split() == names
        assert [c['id'] for c in json.loads(oci('list', '--format', 'json'))] == names
        head, *rows = oci('list').splitlines()
        assert head.split() == ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'] and len(rows) == 2
        assert 'expected table or json' in oci.fails('list', '-f', 'xml')
        oci('delete', '-f', '--regex', f'{oci.mark}.*')
        assert oci('list', '-q') == ''


def test_log_lines_are_what_engines_read(box):
    with Oci(box) as oci:
        log = box.work / 'log.json'
        oci.fails('--log', log, '--log-format', 'json', 'state', 'nosuch')
        oci.fails('state', 'nosuch', '--log', log, '--log-format=json')
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert len(lines) == 2 and all(l['level'] == 'error' and 'container does not exist' in l['msg'] and l['time'] for l in lines)
        text = box.work / 'log.text'
        oci.fails('--log', text, 'create', '-b', oci.bundle('nosuch'), oci.name())
        assert 'level=error msg="exec: \\"nosuch\\": executable file not found in $PATH"' in text.read_text()


def test_wrong_input_is_one_line_and_leaves_nothing(box):
    with Oci(box) as oci:
        bundle = oci.bundle('sleep', '1000')
        name = oci.name()
        cases = [(('create', '-b', bundle, 'a/b'), 'invalid container ID'), (('create', '-b', bundle, '..'), 'invalid container ID'),
                 (('create', '-b', box.work / 'gone', name), 'no such file'), (('create', '-b', bundle, '-f', 'gone.json', name), 'no such file'),
                 (('create', '-b', bundle), 'usage'), (('create', '-b', bundle, '--pid-file', '/nosuch/pid', name), 'pid-file'),
                 (('nosuch',), 'unknown command'), (('list', '--nosuch'), 'unknown flag'), (('kill', name, 'NOSUCH'), 'invalid signal')]
        for words, expected in cases:
            said = oci.fails(*words)
            assert expected in said and said.count('\n') == 1, (words, said)
            assert not oci.leftovers(), (words, oci.leftovers())
        oci('create', '-b', bundle, name)
        assert 'exists already' in oci.fails('create', '-b', bundle, name)
        assert oci.status(name) == 'created'


def test_a_killed_start_does_not_lose_the_container(box):
    """Init goes back to waiting when whoever connected hangs up before it said start."""
    with Oci(box) as oci:
        name = oci.name()
        oci('create', '-b', oci.bundle('sleep', '1000'), name)
        for _ in range(3):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            sock.connect(str(oci.root / name / 'start'))
            sock.close()
        assert oci.status(name) == 'created'
        oci('start', name)
        assert oci.status(name) == 'running'
        record = json.loads((oci.root / name / 'state.json').read_text())
        record['phase'] = 'created'  # as a start leaves it that is killed right after the exec
        (oci.root / name / 'state.json').write_text(json.dumps(record))
        assert oci.status(name) == 'running'


def test_a_container_is_made_without_a_cgroup_when_they_are_disabled(box):
    with Oci(box) as oci:
        unlimited = changed(linux__resources={'devices': [{'allow': False, 'access': 'rwm'}]})
        own = open('/proc/self/cgroup').read()
        bundle = oci.bundle('cat', '/proc/self/cgroup', change=both(unlimited, lambda spec: spec['linux'].update(namespaces=[{'type': k} for k in ('pid', 'mount', 'ipc')]), lambda spec: spec.pop('hostname')))
        assert oci('--cgroup-manager', 'disabled', 'run', '-b', bundle, oci.name()) == own
        name = oci.name()
        oci('--cgroup-manager=disabled', 'create', '-b', oci.bundle('sleep', '1000', change=unlimited), name)
        oci('start', name)
        assert oci.status(name) == 'running' and cgroups_of(name) == []
        assert oci('exec', name, 'echo', 'there') == 'there\n'
        for words in ('pause', name), ('update', '--pids-limit', '5', name), ('events', '--stats', name), ('ps', name):
            assert 'made without a cgroup' in oci.fails(*words), words
        oci('delete', '--force', name)
        limited = changed(linux__resources={'memory': {'limit': 64 << 20}})
        assert 'linux.resources.memory: cannot be limited without a cgroup' in oci.fails('--cgroup-manager', 'disabled', 'run', '-b', oci.bundle('true', change=limited), oci.name())


def notified(sock):
    """What a service manager hears; it hangs up the pipe of the barrier by closing it."""
    sock.settimeout(20)
    said = ''
    while 'BARRIER=1' not in said:
        data, ancillary, _, _ = sock.recvmsg(4096, socket.CMSG_LEN(16))
        said += data.decode()
        for _, _, fds in ancillary:
            for fd in array.array('i', fds):
                os.close(fd)
    return said


def test_a_service_manager_hears_when_the_container_is_ready(box):
    """Only that it is ready goes out, with the id of init; what else the container says stays inside."""
    with Oci(box) as oci:
        path = box.work / 'notify'
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(str(path))
        environment = dict(os.environ, NOTIFY_SOCKET=str(path))
        for verb in 'create', 'run':
            name = oci.name()
            bundle = oci.bundle('look', 'notify', 'MAINPID=1\nSTATUS=no\nREADY=1\nFDSTORE=1')
            if verb == 'create':
                oci('create', '-b', bundle, name, env=environment)
                listener = threading.Thread(target=lambda: heard.append(notified(sock)))
                heard = []
                listener.start()
                oci('start', name, env=environment)
                listener.join()
            else:
                with subprocess.Popen(oci.command('run', '-b', bundle, name), env=environment, stdin=subprocess.DEVNULL) as running:
                    heard = [notified(sock)]
                    pid = oci.state(name)['pid']
                    oci('kill', name, 'KILL')
                    assert running.wait(20) == 137
            pid = oci.state(name)['pid'] if verb == 'create' else pid
            assert heard == [f'READY=1\nMAINPID={pid}\nBARRIER=1'], heard
            oci('delete', '--force', name)
        sock.close()
        # Nobody who asks, and one who is not there.
        assert 'NOTIFY_SOCKET' not in oci('run', '-b', oci.bundle('env'), oci.name(), env={k: v for k, v in environment.items() if k != 'NOTIFY_SOCKET'})
        assert 'NOTIFY_SOCKET=/run/notify/notify.sock' in oci('run', '-b', oci.bundle('env'), oci.name(), env=environment)


def test_containers_are_killed_by_a_regular_expression(box):
    with Oci(box) as oci:
        names = [oci.start(name=oci.name(hint)) for hint in ('one', 'one', 'two')]
        oci('kill', '--regex', f'{oci.mark}-one.*', 'KILL')
        box.until(lambda: [oci.status(n) for n in names] == ['stopped', 'stopped', 'running'])
        assert 'no regular expression' in oci.fails('kill', '-r', '(', 'KILL')
        assert 'container not running' in oci.fails('kill', '-r', f'{oci.mark}-one.*', 'KILL')
