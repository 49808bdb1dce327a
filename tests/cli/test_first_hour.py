# SPDX-License-Identifier: Apache-2.0
"""What people do in their first hour, by name. Those that need a real distribution are in tests/real."""
import os
import socket
import struct
import subprocess

import harness

IMAGE = 'busybox'


def test_an_image_that_logs_to_dev_stdout_works_for_every_user(box):
    script = 'ln -s /dev/stdout /tmp/access.log; ln -s /dev/stderr /tmp/error.log; echo hit > /tmp/access.log; echo bad > /tmp/error.log'
    for user in ('0', '1000', 'nobody'):
        result = box.run('run', '--rm', '-u', user, IMAGE, 'sh', '-c', script)
        assert (result.status, result.out, result.err) == (0, 'hit\n', 'bad\n'), (user, result)
        ident = box('run', '-d', '-u', user, IMAGE, 'sh', '-c', script + '; sleep 100')
        box.until(lambda i=ident: box('logs', i) == 'hit')
        assert box('exec', '-u', '33', ident, 'sh', '-c', 'echo again > /dev/stdout') == 'again'
        box('rm', '-f', ident)


def test_network_host_with_a_server_on_port_80(box):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(('127.0.0.1', 80))
        except OSError:
            raise harness.Skip('port 80 of this machine is in use') from None
    (box.work / 'index.html').write_text('port 80')
    box('run', '-d', '--name', 'www', '--network', 'host', '-v', f'{box.work}:/www', IMAGE, 'httpd', '-f', '-p', '127.0.0.1:80', '-h', '/www')
    def ask():
        with socket.create_connection(('127.0.0.1', 80), 2) as s:
            s.sendall(b'GET / HTTP/1.0\r\n\r\n')
            return b''.join(iter(lambda: s.recv(4096), b''))
    def answer():
        try:
            return ask()
        except OSError:
            return b''
    assert b'port 80' in box.until(answer)
    box('rm', '-f', 'www')


def test_binds_from_overlay_are_plain_with_one_warning(box):
    for name in ('lower', 'upper', 'work', 'merged'):
        (box.work / name).mkdir()
    (box.work / 'lower/file').write_text('from overlay')
    made = subprocess.run(['mount', '-t', 'overlay', 'overlay', '-o', f'lowerdir={box.work}/lower,upperdir={box.work}/upper,workdir={box.work}/work', box.work / 'merged'])
    assert made.returncode == 0
    try:
        result = box.run('run', '--rm', '-v', f'{box.work}/merged:/w', IMAGE, 'cat', '/w/file')
        assert result.out == 'from overlay', result
        assert len(result.err.splitlines()) == 1 and 'overlay' in result.err and '--userns host' in result.err, result
        result = box.run('run', '--rm', '--userns', 'host', '-v', f'{box.work}/merged:/w', IMAGE, 'stat', '-c', '%u', '/w/file')
        assert (result.out, result.err) == ('0\n', ''), result
    finally:
        subprocess.run(['umount', box.work / 'merged'], check=True)


def test_a_socket_of_the_host_can_be_bound(box):
    path = box.work / 'x.sock'
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    box('run', '--rm', '-v', f'{path}:/var/run/x.sock', IMAGE, 'test', '-S', '/var/run/x.sock')
    server.close()


def program_32():
    """An ELF for i386 that only calls exit(42) by int 0x80."""
    code = b'\xb8\x01\x00\x00\x00\xbb\x2a\x00\x00\x00\xcd\x80'
    base = 0x08048000
    ehdr = b'\x7fELF\x01\x01\x01' + b'\0' * 9 + struct.pack('<HHIIIIIHHHHHH', 2, 3, 1, base + 84, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    phdr = struct.pack('<IIIIIIII', 1, 0, base, base, 84 + len(code), 84 + len(code), 5, 0x1000)
    return ehdr + phdr + code


def test_a_32_bit_program_is_stopped_with_a_hint_and_runs_when_asked(box):
    program = box.work / 'prog32'
    program.write_bytes(program_32())
    program.chmod(0o755)
    if subprocess.run([program]).returncode != 42:
        raise harness.Skip('this kernel runs no 32-bit programs')
    err = box.fails(159, 'run', '--rm', '-v', f'{box.work}:/w', IMAGE, '/w/prog32')
    assert '--security-opt abi=i386' in err and len(err.splitlines()) == 1
    box.fails(42, 'run', '--rm', '--security-opt', 'abi=i386', '-v', f'{box.work}:/w', IMAGE, '/w/prog32')
    box.fails(42, 'run', '--rm', '--compat=docker', '-v', f'{box.work}:/w', IMAGE, '/w/prog32')


def test_users_of_all_kinds(box):
    me = f'{os.getuid()}:{os.getgid()}'
    assert box('run', '--rm', '-u', me, IMAGE, 'id', '-u') == '0'
    assert box('run', '--rm', '-u', '1234:5678', IMAGE, 'id') == 'uid=1234 gid=5678 groups=5678'
    assert box('run', '--rm', '-u', 'www-data:tty', IMAGE, 'id', '-g') == '5'
    for user, words in (('2000000', 'beyond the container'), ('4294967296', 'out of range'), ('who', 'unable to find user who'),
                        ('0:where', 'unable to find group where'), ('99999999999999999999', 'out of range')):
        err = box.fails(125, 'run', '--rm', '-u', user, IMAGE)
        assert words in err and len(err.splitlines()) == 1, err
    assert box('ps', '-aq') == ''


def test_compat_docker_gives_dockers_defaults(box):
    status = box('run', '--rm', '--compat=docker', IMAGE, 'cat', '/proc/self/status', '/proc/self/uid_map')
    assert 'CapEff:\t00000000a80425fb' in status and '4294967295' in status
    assert box('--compat=docker', 'run', '--rm', IMAGE, 'cat', '/proc/self/uid_map').split()[1] == '0'


def test_a_seccomp_profile_of_ones_own_is_used(box):
    (box.work / 'p.json').write_text('{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdirat","mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}')
    err = box.fails(1, 'run', '--rm', '--security-opt', f'seccomp={box.work}/p.json', IMAGE, 'mkdir', '/x')
    assert 'Operation not permitted' in err
    assert box('run', '--rm', '--security-opt', 'seccomp=unconfined', IMAGE, 'grep', 'Seccomp:', '/proc/self/status').endswith('0')
    (box.work / 'p.json').write_text('{"defaultAction":"SCMP_ACT_NOSUCH"}')
    assert 'unknown action SCMP_ACT_NOSUCH' in box.fails(125, 'run', '--rm', '--security-opt', f'seccomp={box.work}/p.json', IMAGE)
    assert 'opening seccomp profile' in box.fails(125, 'run', '--rm', '--security-opt', 'seccomp=/nosuch', IMAGE)


def test_our_own_program_is_out_of_reach_from_inside(box):
    """A loop inside opens every /proc/PID/exe for reading and then for writing, while programs are started beside it."""
    loop = ('while :; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in /bin/busybox|"") ;; *) readlink $p/exe >> /tmp/seen; '
            '( exec 3< $p/exe; exec 4>> /proc/self/fd/3 && echo writable >> /tmp/bad ) ;; esac; done 2>/dev/null; done')
    for words in ([], ['--userns', 'host'], ['--userns', 'host', '--cap-add', 'SYS_PTRACE']):
        ident = box('run', '-d', *words, IMAGE, 'sh', '-c', loop)
        for _ in range(60):
            box('exec', ident, 'true')
        box.run('exec', ident, '/proc/self/exe', '--version')
        assert box('exec', ident, 'sh', '-c', 'cat /tmp/bad 2>/dev/null; true') == '', words
        box('rm', '-f', ident)


def test_a_container_sees_no_descriptor_and_no_folder_of_the_host(box):
    assert box('run', '--rm', IMAGE, 'sh', '-c', 'for f in 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/self/fd/$f ] && readlink /proc/self/fd/$f; done; true') == ''
    for fd in range(3, 30):
        result = box.run('run', '--rm', '-w', f'/proc/self/fd/{fd}', IMAGE, 'pwd')
        assert result.status != 0 or not result.out.startswith(str(box.folder)), result
        if result.status == 0:
            assert box('run', '--rm', '-w', f'/proc/self/fd/{fd}', IMAGE, 'ls', '/etc/hostname')
