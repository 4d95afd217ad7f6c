"""What the man pages show can be copied: each example of settings, of a pipeline or of a service is read without a complaint.

examples.py SOURCE_ROOT LEADD: speaks TAP. An example of calls alone stands under a service of its own.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

root, leadd = pathlib.Path(sys.argv[1]), sys.argv[2]
SETTINGS = {'listen', 'services', 'campaigns', 'intakes', 'payments', 'tokens', 'zone', 'organisations', 'notify'}
COMMON = f'''state_dir: state
socket: leadd.sock
services_dir: [services, {root}/etc/services]
pipelines_dir: [pipelines, {root}/etc/pipelines]
lists_dir: {root}/etc/lists
'''
count = 0


def blocks(page):
    """(number of its first line, text) of each example."""
    text = page.read_text()
    for match in re.finditer(r'^```\n(.*?)^```$', text, re.M | re.S):
        yield text.count('\n', 0, match.start(1)) + 1, match[1]


def file_of(block):
    """Which file of a configuration it is; None: no YAML of ours."""
    keys = set(re.findall(r'^(\w+):', block, re.M))
    for kind, more in [('pipeline', 'stages'), ('service', 'calls')]:
        if keys >= {kind, more}:
            name = re.search(rf'^{kind}: (\w+)', block, re.M)[1]
            return f'{kind}s/{name}.yaml', block
    if keys == {'calls'}:
        return 'services/example.yaml', 'service: example\nbase: https://api.example.com\n' + block
    return ('leadd.yaml', block) if keys and keys <= SETTINGS else None


def write(folder, name, text):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def complaints(folder):
    done = subprocess.run([leadd, '--config', str(folder / 'leadd.yaml'), '--check'], capture_output=True, text=True)
    return [] if done.returncode == 0 else done.stderr.splitlines()


for page in sorted((root / 'daemon').glob('*.scd*')):
    found = [(line, file_of(block)) for line, block in blocks(page)]
    for line, file in found:
        if file is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for name in ('services', 'pipelines'):
                (folder / name).mkdir()
            for _, other in found:  # a campaign of the page may run a pipeline of the page
                if other is not None and other[0].startswith('pipelines/'):
                    write(folder, *other)
            settings = file[1] if file[0] == 'leadd.yaml' else ''
            if 'callback: true' in file[1]:
                settings = 'callback_url: https://leadd.example.com\n'
            write(folder, *file)
            write(folder, 'leadd.yaml', COMMON + settings)
            problems = complaints(folder)
        count += 1
        print(f"{'not ok' if problems else 'ok'} {count} - {page.name}, line {line}: {file[0]}")
        for problem in problems:
            print(f'# {problem}')
print(f'1..{count}')
