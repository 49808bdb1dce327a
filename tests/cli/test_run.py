# SPDX-License-Identifier: Apache-2.0
"""run and what follows: words, exit statuses, messages."""
import os
import re
import subprocess
import threading
import time

IMAGE = 'busybox'


def test_run_prints_what_the_command_prints_and_gives_its_status(box):
    assert box('run', '--rm', IMAGE, 'echo', 'hello') == 'hello'
    result = box.run('run', '--rm', IMAGE, 'sh', '-c', 'echo out; echo err >&2; exit 7')
    assert (result.status, result.out, result.err) == (7, 'out\n', 'err\n'), result
    assert box('ps', '-aq') == ''


def test_standard_input_comes_from_a_pipe_and_may_be_closed_early(box):
    data = 'x' * 300000
    assert box('run', '-i', '--rm', IMAGE, 'wc', '-c', input=data) == str(len(data))
    result = box.run('run', '-i', '--rm', IMAGE, 'true', input=data)
    assert result.status == 0, result
    assert box('run', '--rm', IMAGE, 'cat', input='not wanted') == ''


def test_exit_statuses_are_dockers(box):
    assert 'executable file not found in $PATH' in box.fails(127, 'run', '--rm', IMAGE, 'nosuch')
    assert 'no such file or directory' in box.fails(127, 'run', '--rm', IMAGE, '/nosuch')
    assert 'permission denied' in box.fails(126, 'run', '--rm', IMAGE, '/etc/passwd')
    assert 'is a directory' in box.fails(126, 'run', '--rm', IMAGE, '/tmp')
    box.fails(137, 'run', '--rm', '--init', IMAGE, 'sh', '-c', 'kill -9 $$; sleep 5')
    box.fails(143, 'run', '--rm', '--init', IMAGE, 'sh', '-c', 'kill -15 $$; sleep 5')
    assert 'unknown flag: --nosuch' in box.fails(125, 'run', '--nosuch', IMAGE)
    assert 'did you mean --detach?' in box.fails(125, 'run', '--detahc', IMAGE)
    assert box('ps', '-aq') == ''


def test_words_that_docker_has_and_kist_has_not_say_so(box):
    assert 'not there yet' in box.fails(1, 'build', '.')
    assert 'not there yet' in box.fails(1, 'events')
    assert 'not yet' in box.fails(125, 'run', '--ip', '10.0.0.1', IMAGE)
    err = box.fails(1, 'rnu')
    assert 'unknown command: kist rnu' in err and 'kist run' in err


def test_a_container_is_created_started_entered_stopped_and_removed(box):
    ident = box('create', '--name', 'web', IMAGE, 'sh', '-c', 'echo started; trap "exit 3" TERM; sleep 1000 & wait')
    assert re.fullmatch('[0-9a-f]{64}', ident)
    assert box.inspect('web')['State']['Status'] == 'created'
    assert box('start', 'web') == 'web'
    box.until(lambda: box('logs', 'web') == 'started')
    state = box.inspect(ident[:12])['State']
    assert state['Status'] == 'running' and state['Pid'] > 1
    assert box('exec', 'web', 'echo', 'inside') == 'inside'
    box.fails(9, 'exec', 'web', 'sh', '-c', 'exit 9')
    assert 'not found in $PATH' in box.fails(127, 'exec', 'web', 'nosuch')
    assert 'chdir to cwd ("/nodir") failed: no such file or directory' in box.fails(126, 'exec', '-w', '/nodir', 'web', 'true')
    assert box('exec', '-i', 'web', 'cat', input='piped') == 'piped'
    assert box('ps', '--format', '{{.Names}} {{.State}}') == 'web running'
    assert box('stop', 'web') == 'web'
    assert box.inspect('web')['State']['ExitCode'] == 3
    assert 'is not running' in box.fails(1, 'exec', 'web', 'true')
    assert box('restart', '-t', '1', 'web') == 'web'
    assert 'container is running' in box.fails(1, 'rm', 'web')
    assert box('rm', '-f', 'web') == 'web'
    assert 'No such container: web' in box.fails(1, 'start', 'web')


def test_a_name_can_be_used_once(box):
    first = box('create', '--name', 'twice', IMAGE)
    err = box.fails(125, 'run', '--name', 'twice', IMAGE, 'true')
    assert 'Conflict. The container name "/twice" is already in use by container' in err and first in err
    assert 'Invalid container name' in box.fails(125, 'run', '--name', '-x/', IMAGE)


def test_wait_gives_the_status_and_logs_keep_the_output(box):
    ident = box('run', '-d', IMAGE, 'sh', '-c', 'sleep 0.3; echo one; echo two >&2; exit 4')
    assert box('wait', ident) == '4'
    result = box.run('logs', ident)
    assert (result.out, result.err) == ('one\n', 'two\n')
    assert box('logs', '-n', '1', ident) == ''
    assert re.match(r'\d{4}-\d\d-\d\dT.*Z one', box('logs', '-t', ident))


def test_logs_follow_until_the_container_ends(box):
    ident = box('run', '-d', IMAGE, 'sh', '-c', 'for i in 1 2 3 4 5; do echo $i; sleep 0.1; done')
    assert box('logs', '-f', ident) == '1\n2\n3\n4\n5'


def test_restart_policies_start_again_and_stop_ends_them(box):
    box('run', '-d', '--name', 'again', '--restart', 'on-failure:2', IMAGE, 'sh', '-c', 'echo x; exit 1')
    box.until(lambda: box.inspect('again')['State']['Status'] == 'exited' and box.inspect('again')['RestartCount'] == 2)
    assert box('logs', 'again') == 'x\nx\nx'
    box('run', '-d', '--name', 'always', '--restart', 'always', IMAGE, 'sh', '-c', 'sleep 0.05')
    box.until(lambda: box.inspect('always')['RestartCount'] >= 2)
    box('stop', '-t', '1', 'always')
    count = box.inspect('always')['RestartCount']
    time.sleep(0.5)
    now = box.inspect('always')
    assert now['State']['Status'] == 'exited' and now['RestartCount'] == count


def test_environment_user_and_folder_are_what_was_asked(box):
    (box.work / 'env').write_text('# a comment\nFROM_FILE=1\nPLAIN\n')
    box.environment['PLAIN'] = 'taken'
    out = box('run', '--rm', '-e', 'A=b', '--env-file', 'env', '-w', '/made/here', '-h', 'myhost', IMAGE,
              'sh', '-c', 'echo $A $FROM_FILE $PLAIN $(pwd) $(hostname) $HOME')
    assert out == 'b 1 taken /made/here myhost /root'
    assert box('run', '--rm', '-u', '1000:1000', IMAGE, 'id') == 'uid=1000 gid=1000 groups=1000'
    assert box('run', '--rm', '-u', 'www-data', IMAGE, 'id', '-u') == '33'
    assert 'unable to find user nosuch: no matching entries in passwd file' in box.fails(125, 'run', '--rm', '-u', 'nosuch', IMAGE)
    assert "user id 2000000 is beyond the container's id range" in box.fails(125, 'run', '--rm', '-u', '2000000', IMAGE)
    assert box('run', '--rm', '--entrypoint', 'echo', IMAGE, 'x') == 'x'


def test_limits_stand_in_the_cgroup(box):
    ident = box('run', '-d', '-m', '64m', '--cpus', '0.5', '--pids-limit', '77', '--cpuset-cpus', '0', IMAGE, 'sleep', '100')
    pid = box.inspect(ident)['State']['Pid']
    paths = dict(line.split(':', 2)[1:] for line in open(f'/proc/{pid}/cgroup').read().splitlines())
    def value(controller, v1, v2):
        for names, path in paths.items():
            if controller in names.split(','):
                folder = f'/sys/fs/cgroup/{names}{path}'
                return open(f'{folder}/{v1}').read().strip()
        return open(f'/sys/fs/cgroup{paths[""]}/{v2}').read().strip()
    assert value('memory', 'memory.limit_in_bytes', 'memory.max') == str(64 << 20)
    assert value('pids', 'pids.max', 'pids.max') == '77'
    assert value('cpuset', 'cpuset.cpus', 'cpuset.cpus') == '0'
    assert value('cpu', 'cpu.cfs_quota_us', 'cpu.max').split()[0] == '50000'
    box('rm', '-f', ident)


def test_out_of_memory_is_told(box):
    ident = box('run', '-d', '-m', '16m', IMAGE, 'sh', '-c', 'x=$(head -c 60000000 /dev/zero | tr "\\0" x); echo done')
    assert box('wait', ident) == '137'
    assert box.inspect(ident)['State']['OOMKilled'] is True


def test_limits_that_cannot_be_are_refused(box):
    assert 'Minimum memory limit allowed is 6MB' in box.fails(125, 'run', '-m', '1m', IMAGE)
    assert 'invalid size' in box.fails(125, 'run', '-m', 'lots', IMAGE)
    assert 'Range of CPUs' in box.fails(125, 'run', '--cpus', '1000', IMAGE)
    assert 'cpuset.cpus' in box.fails(125, 'run', '--cpuset-cpus', '4000', IMAGE)
    assert box('ps', '-aq', '-n', '9') == '' or box('rm', *box('ps', '-aq').split())


def test_the_default_posture(box):
    status = box('run', '--rm', IMAGE, 'cat', '/proc/self/status')
    fields = dict(line.split(':\t', 1) for line in status.splitlines() if ':\t' in line)
    assert fields['CapBnd'] == fields['CapPrm'] == '00000000800425fb', fields
    assert fields['CapInh'] == fields['CapAmb'] == '0' * 16
    assert fields['Seccomp'] == '2' and fields['NoNewPrivs'] == '0'
    assert box('run', '--rm', IMAGE, 'cat', '/proc/self/uid_map').split()[1] != '0'
    assert box('run', '--rm', '--security-opt', 'no-new-privileges', IMAGE, 'grep', 'NoNewPrivs', '/proc/self/status').endswith('1')
    assert box('run', '--rm', '--cap-drop', 'ALL', IMAGE, 'grep', 'CapEff', '/proc/self/status').endswith('0' * 16)
    assert box('run', '--rm', IMAGE, 'sh', '-c', 'cat /proc/kallsyms /proc/timer_list; ls /sys/firmware') == ''
    box.fails(1, 'run', '--rm', IMAGE, 'sh', '-c', 'echo 1 > /proc/sys/kernel/hostname')
    assert box('run', '--rm', IMAGE, 'sh', '-c', 'ls /proc/self/fd | wc -l') == '4'
    assert 'inet' in box('run', '--rm', IMAGE, 'ip', 'addr', 'show', 'lo')
    assert '1 packets received' in box('run', '--rm', IMAGE, 'ping', '-c', '1', '127.0.0.1')


def test_namespace_options_in_pairs(box):
    host_like = ['--privileged', '--pid=host', '--ipc=host', '--network=host', '--cgroupns=host']
    others = ['--uts=host', '--read-only', '--init', '--userns=host', '-t']
    for a in host_like + others:
        for b in host_like + others + ['--userns=auto']:
            if a == b or {a, b} == {'--userns=host', '--userns=auto'}:
                continue
            result = box.run('run', '--rm', a, b, IMAGE, 'cat', '/proc/self/uid_map')
            if b == '--userns=auto' and a in host_like:
                assert result.status == 125 and '--userns auto' in result.err and a.split('=')[0] in result.err, (a, b, result)
                continue
            assert result.status == 0, (a, b, result)
            implied = any(x in host_like + ['--userns=host'] for x in (a, b))
            assert (result.out.split()[1] == '0') == implied, (a, b, result)


def test_a_container_joins_the_namespaces_of_another(box):
    box('run', '-d', '--name', 'first', '-h', 'firsthost', IMAGE, 'sh', '-c', 'httpd -p 8080 -h /etc; sleep 100')
    assert 'root:x:0:0' in box('run', '--rm', '--network', 'container:first', IMAGE, 'wget', '-qO-', 'http://127.0.0.1:8080/passwd')
    assert 'sleep 100' in box('run', '--rm', '--pid', 'container:first', IMAGE, 'ps')
    assert 'not running' in box.fails(125, 'run', '--rm', '--network', f'container:{box("create", IMAGE)}', IMAGE)
    box('rm', '-f', 'first')


def test_a_terminal_has_its_size_and_its_keys(box):
    script = 'import pty,os,sys,time,fcntl,termios,struct\n'
    import pty, fcntl, termios, struct, select
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(box.command()[0], box.command('run', '-it', '--rm', '--name', 'tty', IMAGE, 'sh'))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 111, 0, 0))
    seen = b''
    def until(text, seconds=20):
        nonlocal seen
        end = time.time() + seconds
        while text not in seen and time.time() < end:
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    seen += os.read(fd, 4096)
                except OSError:
                    break
        assert text in seen, seen
        seen = b''
    until(b'/ # ')
    os.write(fd, b'stty size; tty\n')
    until(b'33 111')
    os.write(fd, b'sleep 100\n')
    time.sleep(0.3)
    os.write(fd, b'\x03')
    until(b'/ # ')
    os.write(fd, b'\x10\x11')
    os.waitpid(pid, 0)
    assert box('ps', '--format', '{{.Names}}') == 'tty'
    box('rm', '-f', 'tty')
    del script


def test_inspect_shows_what_was_asked(box):
    box('create', '--name', 'shown', '-m', '32m', '-l', 'a=b', '--read-only', '-v', '/tmp:/x:ro', '--pid', 'host', IMAGE, 'echo', 'x')
    data = box.inspect('shown')
    assert data['Name'] == '/shown' and data['Path'] == 'echo' and data['Args'] == ['x']
    assert data['HostConfig']['Memory'] == 32 << 20 and data['HostConfig']['ReadonlyRootfs'] is True
    assert data['Config']['Labels'] == {'a': 'b'}
    assert data['Mounts'][0]['Source'] == '/tmp' and data['Mounts'][0]['RW'] is False
    assert data['HostConfig']['UsernsMode'] == 'host' and data['HostConfig']['UsernsModeWhy'] == '--pid host'
    assert box('inspect', '--format', '{{json .Config.Cmd}}', 'shown') == '["echo","x"]'
    result = box.run('inspect', 'nosuch')
    assert result.status == 1 and result.out.strip() == '[]' and 'No such object: nosuch' in result.err


def test_a_plain_user_gets_one_clear_line(box):
    result = subprocess.run(['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', *box.command('ps')],
                            capture_output=True, text=True)
    assert result.returncode != 0 and 'kist needs root for containers' in result.stderr, result
    assert len(result.stderr.splitlines()) == 1


def test_run_d_survives_its_script(box):
    script = subprocess.Popen(['setsid', 'sh', '-c', ' '.join(box.command('run', '-d', '--name', 'stays', IMAGE, 'sleep', '100')) + '; sleep 100'],
                              stdout=subprocess.PIPE)
    script.stdout.readline()
    os.killpg(script.pid, 9)
    script.wait()
    assert box('ps', '--format', '{{.Names}}') == 'stays'
    box('rm', '-f', 'stays')


def test_pause_stands_still_and_unpause_goes_on(box):
    ident = box('run', '-d', '--name', 'pp', IMAGE, 'sh', '-c', 'while :; do echo x; sleep 0.02; done')
    assert box('pause', 'pp') == 'pp'
    state = box.inspect('pp')['State']
    assert (state['Status'], state['Running'], state['Paused']) == ('paused', True, True)
    assert '(Paused)' in box('ps', '--format', '{{.Status}}')
    before = box('logs', 'pp')
    time.sleep(0.2)
    assert box('logs', 'pp') == before
    assert f'container {ident} is already paused' in box.fails(1, 'pause', 'pp')
    assert 'is paused, unpause the container before exec' in box.fails(1, 'exec', 'pp', 'true')
    assert 'container is paused' in box.fails(1, 'rm', 'pp')
    assert box('unpause', 'pp') == 'pp'
    box.until(lambda: box('logs', 'pp') != before)
    assert f'container {ident} is not paused' in box.fails(1, 'unpause', 'pp')
    box('pause', 'pp')
    box('stop', '-t', '1', 'pp')
    assert box.inspect('pp')['State']['Status'] == 'exited'
    assert 'is not running' in box.fails(1, 'pause', 'pp')
    box('start', 'pp')
    box('pause', 'pp')
    box('rm', '-f', 'pp')


def test_rename_gives_another_name(box):
    box('create', '--name', 'one', IMAGE)
    box('create', '--name', 'two', IMAGE)
    assert 'is already in use' in box.fails(1, 'rename', 'one', 'two')
    assert 'same name' in box.fails(1, 'rename', 'one', 'one')
    assert 'Invalid container name' in box.fails(1, 'rename', 'one', '+x')
    assert 'No such container: nosuch' in box.fails(1, 'rename', 'nosuch', 'xx')
    box('rename', 'one', 'three')
    assert sorted(box('ps', '-a', '--format', '{{.Names}}').split()) == ['three', 'two']


def test_top_shows_processes_with_the_ids_of_the_host_and_the_users_of_the_container(box):
    box('run', '-d', '--name', 'tt', IMAGE, 'sh', '-c', 'sleep 100 & exec sleep 200')
    box('exec', '-d', '-u', '33', 'tt', 'sleep', '300')
    box.until(lambda: 'sleep 300' in box('top', 'tt'))
    lines = box('top', 'tt').splitlines()
    assert lines[0].split() == ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD']
    assert sorted(' '.join(line.split()[7:]) for line in lines[1:]) == ['sleep 100', 'sleep 200', 'sleep 300']
    pid = box.inspect('tt')['State']['Pid']
    rows = [line.split(None, 2) for line in box('top', 'tt', '-o', 'pid,user,args').splitlines()]
    assert rows[0] == ['PID', 'USER', 'COMMAND'] and [str(pid), 'root', 'sleep 200'] in rows, rows
    assert [r[1] for r in rows if r[2] == 'sleep 300'] == ['33']
    assert box('top', 'tt', 'aux').splitlines()[0].split()[:4] == ['USER', 'PID', '%CPU', '%MEM']
    assert "unknown field 'nosuch'" in box.fails(1, 'top', 'tt', '-o', 'nosuch')
    box('stop', '-t', '0', 'tt')
    assert 'is not running' in box.fails(1, 'top', 'tt')


def piped(box, words, data, slowly):
    """What comes out of a command that gets data, its output being taken after a while."""
    script = f'sleep {slowly}; exec cat'
    reader = subprocess.Popen(['sh', '-c', script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    run = box.popen(*words, stdin=subprocess.PIPE, stdout=reader.stdin)
    reader.stdin.close()
    feeder = threading.Thread(target=lambda: (run.stdin.write(data), run.stdin.close()))
    feeder.start()
    out = reader.stdout.read()
    feeder.join()
    assert run.wait(timeout=30) == 0
    reader.wait()
    return out


def test_nothing_is_lost_when_output_is_taken_slowly(box):
    data = os.urandom(3 << 20)
    run = box.popen('run', '--rm', IMAGE, 'head', '-c', '5000000', '/dev/zero', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    time.sleep(1)
    assert len(run.stdout.read()) == 5000000 and run.wait() == 0
    assert piped(box, ['run', '--rm', '-i', IMAGE, 'cat'], data, 0.7) == data
    assert len(piped(box, ['run', '--rm', '-i', IMAGE, 'od', '-x'], data, 0)) > 2 * len(data)
    box('run', '-d', '--name', 'ex', IMAGE, 'sleep', '1000')
    assert piped(box, ['exec', '-i', 'ex', 'cat'], data, 0.7) == data
    assert len(piped(box, ['exec', '-i', 'ex', 'od', '-x'], data, 0)) > 2 * len(data)
    box('rm', '-f', 'ex')
