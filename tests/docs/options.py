"""The code, the sample, the man pages and API.md name the same settings, options and routes.

options.py SOURCE_ROOT: speaks TAP. What the code knows stands in the key tables of the functions that read a map
(config*.c, pipeline*.c); the man page has a section for each, with one `*key*` a line; the sample is etc/leadd.yaml,
where a key behind a `#` counts too.
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
passed = []


def check(name, problems):
    passed.append(not problems)
    print(f"{'not ok' if problems else 'ok'} {len(passed)} - {name}")
    for problem in problems:
        print(f"# {problem}")


def keys_of_code(file):
    """{function: keys} from the tables `keys[] = {"a", "b", NULL}`, and other tables of words by their own names."""
    functions, words, function = {}, {}, None
    text = (root / file).read_text()
    for match in re.finditer(r'^(?:static )?[\w ]+[ *](\w+)\([^;{]*\)\n\{|static const char \*const (\w+)\[\] = \{([^}]*)\}', text, re.M):
        if match[1]:
            function = match[1]
        elif match[2].endswith('keys'):
            functions[function] = set(re.findall(r'"([^"]*)"', match[3]))
        else:
            words[match[2]] = set(re.findall(r'"([^"]*)"', match[3]))
    return functions, words


def keys_of_files(pattern):
    """The same of several, whose functions have different names."""
    functions, words = {}, {}
    for file in sorted(root.glob(pattern)):
        more = keys_of_code(file.relative_to(root))
        functions.update(more[0])
        words.update(more[1])
    return functions, words


def keys_of_page(file):
    """{section: keys} of lines that begin `*key*`; `## Sections` count like `# SECTIONS`."""
    sections, section = {}, None
    for line in (root / file).read_text().splitlines():
        if line.startswith('#'):
            section = line.lstrip('# ')
        elif match := re.match(r'\*([a-z_]+)\*: ', line):
            sections.setdefault(section, set()).add(match[1])
    return sections


def keys_of_sample(file):
    """Paths of all keys, such as ('campaigns', 'example', 'budget', 'day'); commented ones as if they were none."""
    paths, stack = set(), []
    for line in (root / file).read_text().splitlines():
        line = re.sub(r'^#(?=(   (?:  )*)?[a-z_]+:( |$))', lambda m: '' if line[1] != ' ' else ' ', line)
        line = re.sub(r'^#(?=(?:  )+[a-z_]+:( |$))', '', line) # below a key that is behind a `#` itself
        match = re.match(r'( *)([a-z_]+):(.*)', line)
        if not match or line.startswith('#'):
            continue
        depth = len(match[1]) // 2
        stack[depth:] = [match[2]]
        paths.add(tuple(stack))
        flow = re.match(r' *\{([^}]*)\}', match[3])
        for key in re.findall(r'(\w+):', flow[1]) if flow else []:
            paths.add((*stack, key))
    return paths


def differ(a, b, is_in, not_in):
    return [f"'{key}' is in {is_in}, but not in {not_in}" for key in sorted(a - b)]


def same(name, *sources):
    """Each source: (what it is called, its keys)."""
    problems = []
    for i, (a, keys) in enumerate(sources):
        problems += [] if keys else [f"{a} names none"]
        for b, others in sources[:i] + sources[i + 1:]:
            problems += differ(keys, others, a, b)
    check(name, problems)


code, _ = keys_of_files('lib/engine/config/config*.c')
page = keys_of_page('daemon/leadd.yaml.5.scd')
sample = keys_of_sample('etc/leadd.yaml')


def at(*place):
    """Keys of the sample at a place; '*' is any one name."""
    return {p[-1] for p in sample if len(p) == len(place) + 1 and all(want in ('*', is_) for want, is_ in zip(place, p))}


for function, section, places in [
        ('read_config', 'SETTINGS', [()]),
        ('read_store', 'STORE', [('store',)]),
        ('read_answers', 'ANSWERS', [('answers',)]),
        ('read_results', 'RESULTS', [('results',)]),
        ('config_read_services', 'SERVICES', [('services', '*')]),
        ('config_read_orgs', 'ORGANISATIONS', [('organisations', '*')]),
        ('config_read_campaigns', 'CAMPAIGNS', [('campaigns', '*')]),
        ('config_read_budget', 'BUDGETS', [('services', '*', 'budget'), ('organisations', '*', 'budget'), ('campaigns', '*', 'budget')]),
        ('notify_read', 'NOTIFY', [('notify',)]),
        ('read_mail', 'Mail', [('notify', 'mail')]),
        ('read_webhook', 'Webhook', [('notify', 'webhook')]),
        ('agenda_read', 'SCHEDULE', [('campaigns', '*', 'schedule')]),
        ('read_tokens', 'TOKENS', [('tokens', '*')]),
        ('payments_read', 'PAYMENTS', [('payments', '*')]),
        ('read_intake', 'INTAKES', [('intakes', '*')]),
        ('read_rule', 'Campaign rule', [('intakes', '*', 'campaign')]),
        ('read_inbox', 'INBOX', [('inbox',)]),
        ('verify_read', 'Verify', [('intakes', '*', 'verify')])]:
    same(f'{section.lower()} of leadd.yaml',
         (f'{function}()', code.pop(function, set())),
         (f'section {section} of the page', page.get(section, set())),
         ('the sample', set().union(*[at(*p) for p in places]) - ({'close_lead'} if section == 'INTAKES' else set())))
check('no other maps are read in config*.c', [f'{function}() reads keys that this test does not know' for function in sorted(code)])

code, words = keys_of_files('lib/engine/config/pipeline*.c')
for function, section in [('read_pipeline', 'The file'), ('pipeline_read_stage', 'Stages'), ('stage_read_steps', 'Chain steps'),
                          ('read_gate', 'Gates'), ('stage_read_missing', 'Missing'), ('stage_read_recall', 'Recall'), ('stage_read_list', 'List'), ('read_makes', 'Makes'),
                          ('read_approval', 'Approval'), ('read_policies', 'Refused')]:
    same(f'pipelines: {section.lower()}',
         (f'{function}()', code.pop(function, set())), (f'section {section} of the page', page.get(section, set())))
code.pop('single_call', None)
text = (root / 'daemon/leadd.yaml.5.scd').read_text()
for function, key in [('read_param', 'params'), ('read_rounds', 'rounds'), ('read_at_once', 'at_once')]: # maps with a paragraph instead of a section
    told = set(re.findall(r'\*([a-z_]+)\*', ' '.join(re.findall(rf'^\*{key}\*: MAP\n((?:\t.*\n)+)', text, re.M))))
    check(f'pipelines: {key}', differ(code.pop(function, {'no keys'}), told, f'{function}()', f'the page behind {key}'))
check('no other maps are read in pipeline*.c', [f'{function}() reads keys that this test does not know' for function in sorted(code)])
check('checks of gates', [f'the page does not explain *{w}*' for w in sorted(words.get('check_words', {'no check_words'})) if f'*{w}*' not in text])

# Options of the programs whose pages are written by hand; that of leadctl comes from its own table.
for program, source, file in [('leadd', 'daemon/main.c', 'daemon/leadd.8.scd'), ('leadsim', 'daemon/leadsim.c', 'daemon/leadsim.1.scd')]:
    options = set(re.findall(r'\{"([a-z-]+)", (?:no|required)_argument', (root / source).read_text()))
    explained = set()
    for line in (root / file).read_text().splitlines():
        if line.startswith('*-'):
            explained |= set(re.findall(r'\*--([a-z-]+)\*', line))
    same(f'options of {program}', (source, options), ('its page', explained))

# Files of services and scenarios: the tables have no sections of their own, so each key is looked for on the whole page.
def tables(pattern):
    """Words of all `keys[]`, and of the tables that end with them, as the readers of maps have them."""
    found = set()
    for file in root.glob(pattern):
        for table in re.findall(r'static const char \*const keys\[\] = \{([^}]*)\}', file.read_text()):
            found |= set(re.findall(r'"([^"]*)"', table))
    return found


for name, pattern, file in [('services', 'lib/service/*.c', 'daemon/leadd-service.5.scd'), ('scenarios', 'lib/sim/scenario*.c', 'daemon/leadsim.1.scd')]:
    keys, text = tables(pattern), (root / file).read_text()
    told = set(re.findall(r'\*([a-z_0-9]+)\*', text)) | set(re.findall(r'\b([a-z_0-9]+):', text)) | {w for words in re.findall(r'\{([a-z_0-9, ]+)\}', text) for w in words.split(', ')}
    check(f'keys of {name}', differ(keys, told, pattern, file) or ([] if keys else ['no keys']))
named = set(re.findall(r'^\*([a-z_]+)\*: ', (root / 'daemon/leadd-service.5.scd').read_text(), re.M))
check('what the page of services lists is read', differ(named, tables('lib/service/*.c') | {'value', 'basic', 'bearer', 'is', 'status', 'text', 'when', 'reason', 'wait', 'until'}, 'the page', 'lib/service'))

# The API: routes.c and its page.
ROUTE = re.compile(r'\{"(GET|POST|PUT|DELETE)",\s*"([^"]*)",\s*HTTP_(\w+),\s*\w+,\s*"(?:[^"\\]|\\.)*",\s*\w+,\s*("[^"]*"|NULL),\s*("[^"]*"|NULL)\}')
routes = {f'{m[1]} {m[2]}': (m[3].lower(), set(m[4].strip('"').split()) - {'NULL'}, set(m[5].strip('"').split()) - {'NULL'})
          for m in ROUTE.finditer((root / 'daemon/routes.c').read_text())}
page, api = {}, (root / 'daemon/API.md').read_text()
for first, right in re.findall(r'^\| ((?:GET|POST|PUT|DELETE) .*?) \| (.*?) \|', api, re.M):
    method, rest = first.split(' ', 1)
    path, _, query = rest.partition('?')
    path, *more = path.split(', ')
    names = set(re.findall(r'(?:^|&)(\w+)=', query))
    page[f'{method} {path}'] = (right, names)
    for other in more: # `/v1/runs/{run}/pause, resume, cancel`
        page[f'{method} {other if other.startswith("/") else path.rsplit("/", 1)[0] + "/" + other}'] = (right, names)
same('routes', ('routes.c', set(routes)), ('API.md', set(page)))
check('rights of the routes', [f'{r}: {routes[r][0]} in routes.c, {page[r][0]} in API.md' for r in sorted(routes.keys() & page.keys())
                               if routes[r][0] not in page[r][0]])
check('parameters of the routes', [f"{r}: '{q}'" for r in sorted(routes.keys() & page.keys())
                                   for q in sorted(routes[r][1] ^ page[r][1]) if q not in ('limit', 'cursor')])
check('members of the bodies', [f"{r}: '{b}' is not on the page" for r in sorted(routes) for b in sorted(routes[r][2]) if not re.search(rf'["`]{b}["`]', api)])

print(f'1..{len(passed)}')
