# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr models`: what the manifest says of each model."""

import json

from tsr_ros.backends.base import ModelFileError
from tsr_ros.backends.manifest import Manifest, default_models_dir
from tsr_ros.cli.arguments import add_models_dir

ERRORS = (ModelFileError,)


def configure(parser):
    """Add the arguments."""
    parser.description = ('List the models: architecture, input, labels, licence, scores, and the '
                          'files for each format and precision. `tsr doctor` checks the files.')
    add_models_dir(parser)
    parser.add_argument('--json', action='store_true', help='write it as one JSON object')


def run(args):
    """Print the models."""
    manifest = Manifest.read(args.models_dir or default_models_dir())
    if args.json:
        print(json.dumps({
            'folder': manifest.folder, 'default': manifest.default,
            'models': {name: as_dict(model) for name, model in manifest.models.items()},
        }, indent=2))
    else:
        for name, model in manifest.models.items():
            print('\n'.join(model_lines(model, name == manifest.default)))
    return 0


def as_dict(model):
    """Return a manifest's entry in types that JSON knows."""
    entry = dict(model._asdict())
    del entry['name'], entry['folder']
    entry['files'] = [
        dict(file._asdict(), data=[{'path': path, 'sha256': sha256} for path, sha256 in file.data])
        for file in model.files]
    return entry


def model_lines(model, is_default=False):
    """Return a model's name, what is known of it, one thing a line, and a table of its files."""
    width, height = model.input_wh
    facts = {
        'architecture': model.architecture,
        'input': f'{width} x {height} pixels',
        'labels': ', '.join(map(str, model.labels)),
        'licence': model.licence,
        'trained on': model.data,
        'scores': _scores(model.scores),
    }
    lines = [model.name + (' (default)' if is_default else '')]
    lines += [f'  {name:12s}  {value}' for name, value in facts.items() if value]
    rows = [('format', 'precision', 'MB', 'file', 'scores')]
    rows += [(file.format, file.precision, f'{file.bytes / 1e6:.1f}', file.path,
              _scores(file.scores)) for file in model.files]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines += ['  ' + '  '.join((
        row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]),
        row[3].ljust(widths[3]), row[4])).rstrip() for row in rows]
    return [*lines, '']


def _scores(scores):
    return ', '.join(
        f'{name} {value:.3f}' if isinstance(value, float) else f'{name} {value}'
        for name, value in scores.items())
