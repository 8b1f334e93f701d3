# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr bag replay`: recordings through the detector, live or offline, and how right it is."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from tsr_ros.backends.base import BackendError
from tsr_ros.cli.detect import add_model_arguments
from tsr_ros.replay.node_process import LiveError
from tsr_ros.replay.offline import replay_offline
from tsr_ros.replay.report import write_report
from tsr_ros.replay.run import LEAST_RATE, MOST_RATE, DetectorOptions, Run, to_json
from tsr_ros.replay.score import RunScore, score_run
from tsr_ros.replay.sources import Source, SourceError, open_source
from tsr_ros.replay.tables import as_text, conditions_tables, run_tables
from tsr_ros.report.files import write_json


class ReplayError(Exception):
    """A replay that cannot be done as asked: why, and what to do."""


ERRORS = (BackendError, LiveError, ReplayError, SourceError)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        'Play recordings to the detector. Offline: every frame, as fast as it goes, the same '
        'result each time: how right it is. Live: over ROS 2 topics, to the node in a process of '
        'its own, at the pace of the recording: how fast it is, and what is dropped. Where a '
        'recording has ground truth, both are judged by it. A recording that fails on the way is '
        'named and left out, and the exit status is 1. Ctrl-C ends it with a report of the '
        'recordings that are finished.')
    parser.add_argument('bags', nargs='+', metavar='BAG',
                        help='rosbag2; a film, a folder of images or a YOLO set too')
    parser.add_argument('--mode', choices=('offline', 'live'), default='offline',
                        help='default: %(default)s')
    add_model_arguments(parser)
    parser.add_argument('--conf', type=float, metavar='SCORE',
                        default=DetectorOptions().confidence_threshold,
                        help='from which on a detection counts (default: %(default)s)')
    parser.add_argument('--rate', type=float,
                        help='live: times the pace of the recording, 0.01 to 1000 (default: 1)')
    parser.add_argument('--topic', help="the recording's images, where it has several")
    parser.add_argument('--out', type=Path, default=Path('out/replay'), metavar='DIR',
                        help='folder for the report, index.html (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE',
                        help='write all numbers and boxes as JSON')


def run(args: argparse.Namespace) -> int:
    """Replay each recording, print its tables, and write report and JSON."""
    if args.rate is not None and args.mode == 'offline':
        raise ReplayError('--rate is for --mode live; offline goes as fast as it can')
    if args.rate is not None and not LEAST_RATE <= args.rate <= MOST_RATE:
        raise ReplayError(f'--rate is {args.rate:g}, but it lies between {LEAST_RATE:g} and '
                          f'{MOST_RATE:g}')
    if not 0.01 <= args.conf <= 1:
        raise ReplayError(f'--conf is {args.conf}, but it lies between 0.01 and 1')
    if args.json and args.json.is_dir():
        raise ReplayError(f'--json {args.json} is a folder; name a file')
    if importlib.util.find_spec('matplotlib') is None:
        raise ReplayError('the report needs Matplotlib: pip install matplotlib')
    options = DetectorOptions(args.model, args.backend, args.precision, args.device, args.threads,
                              args.models_dir or '', args.conf)
    # all are opened first, so that a mistyped name is said before the work begins
    sources = [open_source(bag, topic=args.topic) for bag in args.bags]
    # and what would fail at the end, rather now than after minutes of work
    for folder in (args.out, args.json and args.json.parent):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    finished = []  # (source, run, score or None) of each
    interrupted = False
    try:
        for source in sources:
            try:
                played = _play(source, options, args)
            except (LiveError, SourceError) as error:
                if len(sources) == 1:
                    raise
                # the others are not lost for it
                print(f'tsr bag replay: left out: {error}', file=sys.stderr)
                continue
            score = score_run(played) if played.has_ground_truth else None
            finished.append((source, played, score))
            _print(played, score)
    except KeyboardInterrupt:
        if not finished:
            raise
        interrupted = True
        print('tsr bag replay: interrupted; what is finished is reported', file=sys.stderr)
    if not finished:
        raise ReplayError('not one of the recordings could be replayed to its end')
    played_sources, runs, scores = zip(*finished, strict=True)
    scored = [(played, score) for _, played, score in finished if score is not None]
    if len(scored) > 1:
        for table in conditions_tables(*zip(*scored, strict=True)):
            print(f'\n{as_text(table)}')
    if args.json:  # before the report, so that what was measured is not lost if that fails
        write_json(args.json, [{**to_json(played), 'score': score.as_dict() if score else None}
                               for played, score in zip(runs, scores, strict=True)])
    names = ', '.join(source.name for source in played_sources)
    page = write_report(args.out / 'index.html', runs, scores, played_sources,
                        f'{names}: {args.mode} replay')
    print(f'\nThe report: {page}')
    if interrupted:
        return 130
    return 0 if len(runs) == len(sources) else 1


def _print(played: Run, score: RunScore | None) -> None:
    print(f'\n{played.source}, {played.mode}')
    for table in run_tables(played, score):
        print(f'\n{as_text(table)}')
    if score is None:
        print('\nIt has no ground truth, so it is not said how right this is.')
    for problem in played.problems:
        print(f'\nNote: {problem}.')


def _play(source: Source, options: DetectorOptions, args: argparse.Namespace) -> Run:
    if args.mode == 'offline':
        return replay_offline(source, options)
    try:
        from tsr_ros.replay.live import replay_live
    except ImportError as error:
        raise ReplayError(
            f'--mode live needs ROS 2 with this package built ({error}); `tsr doctor` says more. '
            '--mode offline needs none') from error
    return replay_live(source, options, 1.0 if args.rate is None else args.rate)
