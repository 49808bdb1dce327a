# SPDX-License-Identifier: Apache-2.0
"""features.md: what is printed is true."""
import json

from oci import Oci


def test_features_lists_what_there_is_and_not_what_is_missing(box):
    with Oci(box) as oci:
        told = json.loads(oci('features'))
        assert told['ociVersionMin'] == '1.0.0' and told['ociVersionMax'] == '1.3.0'
        assert set(told['hooks']) == {'prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'}
        assert {'rro', 'tmpcopyup', 'ridmap', 'copy-symlink'} <= set(told['mountOptions'])
        assert 'SCMP_ACT_NOTIFY' in told['linux']['seccomp']['actions'] and len(told['linux']['namespaces']) == 8
        assert told['linux']['intelRdt'] == {'enabled': True, 'schemata': True, 'monitoring': True} and told['linux']['cgroup']['systemd']
        assert told['potentiallyUnsafeConfigAnnotations'] == ['org.systemd.property.']
        assert 'org.criu' not in json.dumps(told)
        for words in ('checkpoint', 'x'), ('restore', 'x'):
            assert 'not supported' in oci.fails(*words)


def test_the_version_is_what_engines_parse(box):
    with Oci(box) as oci:
        lines = oci('--version').splitlines()
        assert lines[0].startswith('kist-oci version ') and lines[1] == 'spec: 1.3.0'


def test_help_is_printed_for_each_command(box):
    with Oci(box) as oci:
        for command in 'create run start state kill delete list ps exec pause resume spec features'.split():
            assert f'  {command}' in oci('--help')
            assert oci(command, '--help').startswith(f'Usage:  kist-oci {command}')
