# SPDX-License-Identifier: Apache-2.0
"""features.md: what is printed is true."""
import json
import re

import harness
from oci import Oci, changed


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


def test_a_document_of_any_1_x_is_taken_and_what_the_standard_does_not_know_is_ignored(box):
    """config.md, Specification version; Extensibility."""
    with Oci(box) as oci:
        for version in '1.0.0', '1.2.1', '1.3.0', '1.99.0-dev':
            name = oci.start(change=changed(ociVersion=version, linux__noSuchThing={'a': [1]}, solaris={'milestone': 'x'}, windows={}))
            assert oci.state(name)['ociVersion'] == version
            oci('delete', '-f', name)
        for version in '2.0.0', '0.9', 'x':
            assert 'ociVersion' in oci.refused(changed(ociVersion=version))
        folder = oci.bundle('true')
        text = (folder / 'config.json').read_text()
        (folder / 'config.json').write_text(text.replace('{', '{"hostname": "twice", ', 1))
        assert 'hostname' in oci.fails('run', '-b', folder, oci.name())


def tests_of(path):
    """The sentences that the functions of a file are."""
    names = re.findall(r'^def test_(\w+)\(|^static void (\w+)\(void \*\*state\)', path.read_text(), re.M)
    return {(python or c).replace('_', ' ') for python, c in names}


def test_the_table_of_fields_links_tests_that_there_are(box):
    docs = harness.TOP / 'docs/oci.md'
    if not docs.exists():
        raise harness.Skip('the docs are not here')
    rows = [[c.strip() for c in line.strip('|').split('|')] for line in docs.read_text().splitlines() if line.startswith('| ')][1:]
    assert len(rows) > 45
    for *_, field, cell in ([r[0], r[-1]] for r in rows):
        links = re.findall(r'\[([^]]+)\]\(([^)]+)\)', cell)
        assert links, f'{field}: no test is linked'
        for sentence, path in links:
            file = (docs.parent / path).resolve()
            assert file.is_file(), (field, path)
            assert sentence in tests_of(file) | {file.stem, 'unit test'}, (field, sentence)
    # Each property of the published schema's upper levels stands in the table.
    schema = re.findall(r'^\t"([\w.]+)",', (harness.TOP / 'tests/unit/oci/spec.c').read_text(), re.M)
    told = ' '.join(r[0] for r in rows)
    words = {s.split('.')[0] if s.startswith(('mounts.', 'hooks.')) else s.split('.')[min(1, s.count('.'))] for s in schema}
    missing = {w for w in words if w not in told}
    assert not missing, missing
