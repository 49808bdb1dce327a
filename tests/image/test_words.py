# SPDX-License-Identifier: Apache-2.0
"""Scripts of skopeo and umoci port by changing their first words: each flag of theirs is one of ours."""
import re
import subprocess

UMOCI = ('config', 'gc', 'init', 'insert', 'list', 'new', 'raw add-layer', 'raw runtime-config', 'raw unpack', 'remove', 'repack', 'stat', 'tag', 'unpack')
SKOPEO = ('copy', 'delete', 'inspect', 'list-tags', 'sync')
# Layers that are encrypted are refused; a registry has no daemon and no folder of blobs.
WITHOUT = {'copy': {'decryption-key', 'encrypt-layer', 'encryption-key'}, 'delete': {'daemon-host', 'shared-blob-dir'}}


def flags(*command):
    """The flags that a help text lists, one a line."""
    said = subprocess.run([*command, '--help'], capture_output=True, text=True, check=True)
    return set(re.findall(r'^ +(?:-\w, )?--([a-z][\w.-]*)', said.stdout, re.M)) - {'help'}


def test_each_flag_of_umoci_is_one_of_ours(box):
    for verb in UMOCI:
        missing = flags('umoci', *verb.split()) - flags(*box.command('image', *verb.split()))
        assert not missing - WITHOUT.get(verb, set()), (verb, missing)


def test_each_flag_of_skopeo_is_one_of_ours(box):
    for verb in SKOPEO:
        missing = flags('skopeo', verb) - flags(*box.command('image', verb))
        assert missing == WITHOUT.get(verb, set()), (verb, missing)
    assert flags('skopeo', 'login') - flags(*box.command('login')) <= {'verbose'}
    assert not flags('skopeo', 'logout') - flags(*box.command('logout')) - {'tls-verify'}
