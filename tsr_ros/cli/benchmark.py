# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr benchmark`: time every runtime on this computer; `tsr benchmark compare` sets several."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from tsr_ros.backends.base import BackendError
from tsr_ros.cli.arguments import add_models_dir, not_negative, positive
from tsr_ros.report.files import write_json, write_text
from tsr_ros.report.text_table import text_table

ERRORS = (BackendError, ValueError, ImportError)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        'Time every installed backend and precision, in turn, and write JSON, CSV and one HTML '
        'page. `tsr benchmark compare A.json B.json …` sets the results of several computers '
        'side by side.')
    parser.add_argument('compare', nargs='*', metavar='compare A.json B.json',
                        help='the word compare, then results to set side by side')
    parser.add_argument('--model', action='append', default=[], metavar='NAME',
                        help='of the manifest; may be given again (default: all)')
    add_models_dir(parser)
    parser.add_argument('--untrained', action='append', default=[],
                        choices=('yolov7', 'yolov7-tiny'),
                        help='time this network with untrained weights, which takes as long: '
                             'beside what --model names, else alone; needs PyTorch')
    parser.add_argument('--backend', action='append', default=[], metavar='NAME',
                        help='may be given again; naive is PyTorch without care (default: all)')
    parser.add_argument('--precision', action='append', default=[], metavar='NAME',
                        help='may be given again (default: all, fp16 on accelerators only)')
    parser.add_argument('--batch', type=positive, action='append', default=[], metavar='N',
                        help='may be given again (default: 1)')
    parser.add_argument('--device', action='append', default=[], metavar='NAME',
                        help='as the backend names it; may be given again: --device cpu --device '
                             'cuda (default: what each backend chooses)')
    parser.add_argument('--threads', type=not_negative, default=0, metavar='N',
                        help='on a CPU (default: one for each core)')
    parser.add_argument('--runs', type=positive, default=50, metavar='N',
                        help='timed runs of each case (default: %(default)s)')
    parser.add_argument('--rounds', type=positive, default=5, metavar='N',
                        help='turns that they are spread over, 3 at least (default: %(default)s)')
    parser.add_argument('--image', type=Path, metavar='FILE',
                        help='picture to detect in (default: a frame of a recording of the '
                             'package, else a painted one, 1280 x 720)')
    parser.add_argument('--replay', type=Path, action='append', default=[], metavar='FILE',
                        help='result of `tsr bag replay --json`, for the rows of night and '
                             'weather; may be given again')
    parser.add_argument('--node', action='store_true',
                        help='also start the node with each of them and take its memory; needs '
                             'ROS 2')
    parser.add_argument('--title', default='', help='of the page')
    parser.add_argument('--out', type=Path, default=Path('out/benchmark'), metavar='DIR',
                        help='(default: %(default)s)')


def run(args: argparse.Namespace) -> int:
    """Measure, or compare."""
    if args.compare:
        return _compare(args)
    from tsr_ros.backends.manifest import default_models_dir
    from tsr_ros.benchmark.cases import find_cases
    from tsr_ros.benchmark.complete import complete_models
    from tsr_ros.benchmark.host import load_warning
    from tsr_ros.benchmark.image import read_benchmark_image
    from tsr_ros.benchmark.node_memory import add_node_memory, has_ros
    from tsr_ros.benchmark.peak import measure_peaks
    from tsr_ros.benchmark.report import build_page
    from tsr_ros.benchmark.results import read_replays, to_csv, to_result
    from tsr_ros.benchmark.session import Session

    if args.node and not has_ros():
        raise ValueError('--node needs ROS 2 with vision_msgs and the messages of this package; '
                         '`tsr doctor` says what is missing')
    load_average = os.getloadavg()[0]  # before this program adds its own
    warning = load_warning(load_average)
    image = read_benchmark_image(args.image)
    replays = [replay for path in args.replay for replay in read_replays(path)]
    choice = (args.backend, args.precision, args.batch or (1,), args.threads,
              args.device or ('auto',))
    cases, left_out = [], {}
    if args.model or not args.untrained or args.models_dir:
        models = complete_models(args.models_dir or default_models_dir(), args.out / 'models')
        cases, left_out = find_cases(str(models), args.model, *choice)
    if args.untrained:
        from tsr_ros.benchmark.untrained import make_untrained_model
        folder = args.out / 'untrained'
        names = [make_untrained_model(name, folder, image, precisions=args.precision)
                 for name in args.untrained]
        more, reasons = find_cases(str(folder), names, *choice)
        cases, left_out = cases + more, {**left_out, **reasons}
    if not cases:
        raise ValueError('there is nothing to measure: ' + '; '.join(
            f'{name}: {reason}' for name, reason in left_out.items()))
    if warning:  # now, while it can be broken off, and with the results
        print(warning, file=sys.stderr)
    print('measuring what the processor can do …', file=sys.stderr)
    peaks = measure_peaks(args.threads)
    session = Session(cases, image, args.runs, args.rounds,
                      note=lambda text: print(text, file=sys.stderr))
    measurements = session.measure()
    if not measurements:
        raise ValueError('nothing could be measured: ' + '; '.join(session.failed.values()))
    result = to_result(measurements, {**left_out, **session.failed}, peaks, image, args.title)
    result['load_average'] = load_average
    if args.node:
        write_json(args.out / 'benchmark.json', result)  # what was measured is not lost on the way
        add_node_memory(result, {case.model: case.models_dir for case in cases}, image,
                        note=lambda text: print(text, file=sys.stderr))
    _print(result)
    if warning:
        print(f'\n{warning}')
    write_json(args.out / 'benchmark.json', result)
    write_text(args.out / 'benchmark.csv', to_csv(result))
    page = build_page(result, replays).write(args.out / 'index.html')
    print(f'\n{page}', file=sys.stderr)
    return 0


def _print(result: dict[str, Any]) -> None:
    from tsr_ros.benchmark.tables import HEADINGS, case_rows, models, recommend
    for model in models(result):
        print(f'\n{model}: ms of the network, ratio to PyTorch eager fp32\n')
        print(text_table(HEADINGS, case_rows(result, model)))
        print(f'\n{recommend(result, model)}')


def _compare(args: argparse.Namespace) -> int:
    from tsr_ros.benchmark.compare import build_page, compare_rows, differences
    from tsr_ros.benchmark.results import read_result

    word, *files = args.compare
    if word != 'compare' or len(files) < 2:
        raise ValueError('give two results or more: tsr benchmark compare A.json B.json')
    results = [read_result(path) for path in files]
    names = [Path(path).stem if Path(path).stem != 'benchmark' else
             Path(path).resolve().parent.name for path in files]
    headings, rows = compare_rows(results, names)
    print(text_table(headings, rows, left=3))
    if not_the_same := differences(results):
        print(f'\nNot the same everywhere, so take care: {"; ".join(not_the_same)}.')
    print(build_page(results, names).write(args.out / 'compare.html'), file=sys.stderr)
    return 0
