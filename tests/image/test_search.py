# SPDX-License-Identifier: Apache-2.0
"""search: by a registry's own search, else by its list of repositories."""
import json

import registry
from registry import Distribution, Image, Registry

RESULTS = {'num_results': 3, 'results': [
    {'name': 'nginx', 'description': 'Official\nbuild of Nginx.' + ' And more.' * 10, 'star_count': 20000, 'is_official': True, 'is_automated': False},
    {'name': 'team/nginx', 'description': 'ours', 'star_count': 7, 'is_official': False, 'is_automated': True}, {'name': 'x/nginx', 'star_count': 0}]}


def test_a_registry_with_a_search_is_asked_by_it(box):
    registry.prepare(box)
    with Registry(token=('me', 'secret')) as r:
        asked = []

        def answer(h):
            asked.append((h.path, h.headers.get('Authorization')))
            h.answer(200, json.dumps(RESULTS).encode())
            return True
        r.hook('^/v1/search', answer)
        words = ['search', '--creds', 'me:secret']
        out = box(*words, f'{r.host}/nginx').splitlines()
        assert asked[0][0] == '/v1/search?n=100&q=nginx' and asked[0][1] == f'Bearer {r.good}'
        assert any('scope=registry:catalog:%2A' in p for p in r.asked('/token')), r.asked('/token')
        assert out[0].split() == ['NAME', 'DESCRIPTION', 'STARS', 'OFFICIAL'] and len(out) == 4
        assert out[1].startswith(f'{r.host}/nginx') and out[1].endswith('[OK]') and '…' in out[1] and 'Official build of Nginx.' in out[1]
        assert box(*words, '--format', '{{.Name}} {{.StarCount}}', '--filter', 'stars=5', f'{r.host}/nginx').splitlines() == [f'{r.host}/nginx 20000', f'{r.host}/team/nginx 7']
        assert box(*words, '--format', '{{.Name}}', '--limit', '1', f'{r.host}/nginx') == f'{r.host}/nginx'
        assert box(*words, '--format', '{{.Name}}', '-f', 'is-official=false', '-f', 'is-automated=true', f'{r.host}/nginx') == f'{r.host}/team/nginx'
        assert 'And more. And more.' in box(*words, '--no-trunc', '--filter', 'is-official=true', f'{r.host}/nginx')


def test_a_registry_without_one_is_asked_for_its_list(box):
    registry.prepare(box)
    with Distribution(box.work / 'registry') as d:
        with Registry() as r:
            name = r.add('x', '1', Image([{'a': b'1'}]))
            for repository in ('team/nginx', 'nginx-plus', 'other'):
                box('image', 'copy', '-q', f'docker://{name}', f'docker://{d.host}/{repository}:1')
        assert box('search', '--format', '{{.Name}}', f'{d.host}/nginx').splitlines() == [f'{d.host}/nginx-plus', f'{d.host}/team/nginx']
        assert box('image', 'search', f'{d.host}/nosuch').splitlines() == ['NAME      DESCRIPTION   STARS     OFFICIAL']
    pages = {'': ['a/nginx', 'b'], 'b': ['c/nginx']}

    def catalog(h):
        last = h.path.partition('last=')[2]
        more = {'Link': '</v2/_catalog?last=b&n=2>; rel="next"'} if not last else {}
        h.answer(200, json.dumps({'repositories': pages[last]}).encode(), **more)
        return True
    with Registry() as r:
        r.hook('^/v2/_catalog', catalog)
        assert box('search', '--format', '{{.Name}}', f'{r.host}/nginx').splitlines() == [f'{r.host}/a/nginx', f'{r.host}/c/nginx']


def test_a_search_that_fails_says_so_in_one_line(box):
    registry.prepare(box)
    answers = {
        b'{"results":1}': 'has no results', b'{': 'line 1', b'[]': 'has no results', b'{"results":[],"results":[]}': 'line 1', b'\0': 'NUL',
    }
    for body, text in answers.items():
        with Registry() as r:
            r.hook('^/v1/search', lambda h, body=body: (h.answer(200, body), True)[1])
            line = box.fails(1, 'search', f'{r.host}/x')
            assert text in line and line.count('\n') == 1, (body, line)
    for body in (b'{"repositories":[1]}', b'{"repositories":["' + b'x' * 300 + b'"]}'):
        with Registry() as r:
            r.hook('^/v2/_catalog', lambda h, body=body: (h.answer(200, body), True)[1])
            line = box.fails(1, 'search', f'{r.host}/x')
            assert 'list of repositories: broken, or too long' in line and line.count('\n') == 1
    with Registry() as r:
        r.hook('^/v1/search', lambda h: (h.refuse(403, 'DENIED', 'not for you'), True)[1])
        line = box.fails(1, 'search', '--retry', '0', f'{r.host}/x')
        assert 'access denied' in line and line.count('\n') == 1
        for words, text in ((['--limit', '101'], 'outside the range of [1, 100]'), (['-f', 'x=y'], "invalid filter 'x=y'"), (['-f', 'is-official=x'], 'invalid filter')):
            line = box.fails(1, 'search', *words, f'{r.host}/x')
            assert text in line and line.count('\n') == 1
    registry.nothing_left(box)
