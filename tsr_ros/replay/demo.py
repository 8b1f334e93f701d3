# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
See the node at work: play a drive to it, and show what came of every frame.

Without SOURCE, the recording rosbag/night_rain is played.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tsr_ros.replay.bag import is_bag
from tsr_ros.replay.live import replay_live
from tsr_ros.replay.node_process import LiveError
from tsr_ros.replay.report import summary, write_report
from tsr_ros.replay.run import DetectorOptions
from tsr_ros.replay.score import score_run
from tsr_ros.replay.sources import SourceError, open_source
from tsr_ros.replay.tables import as_text, run_tables

RECORDINGS = Path(__file__).resolve().parents[2] / 'rosbag'
DEFAULT = 'night_rain'


def default_source(folder: Path = RECORDINGS) -> Path:
    """
    Return the recording that is played where none is named.

    :raises SourceError: where the folder has none.
    """
    if is_bag(folder / DEFAULT):
        return folder / DEFAULT
    recordings = sorted(path for path in folder.glob('*') if path.is_dir() and is_bag(path))
    if not recordings:
        raise SourceError(f'{folder} has no recording; name a film, a folder of images or a '
                          'rosbag2: make demo SOURCE=…')
    return recordings[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Play, print the tables, write the page; return 0, 1 for what failed, 130 for Ctrl-C."""
    defaults = DetectorOptions()
    parser = argparse.ArgumentParser('demo', description=__doc__)
    parser.add_argument('source', nargs='?', metavar='SOURCE',
                        help='rosbag2, film, folder of images, or a single image')
    parser.add_argument('--topic', help="of a recording's images, where it has several")
    parser.add_argument('--rate', type=float, default=1.0,
                        help='times the pace of the source, 0.01 to 1000')
    parser.add_argument('--model', default=defaults.model)
    parser.add_argument('--models-dir', default='', help='folder with manifest.yaml')
    parser.add_argument('--backend', default=defaults.backend)
    parser.add_argument('--out', type=Path, default=Path('out/demo'), metavar='DIR')
    args = parser.parse_args(argv)
    sys.stdout.reconfigure(errors='backslashreplace')  # file names may be no UTF-8
    try:
        source = open_source(args.source or default_source(), topic=args.topic)
        print(f'Playing {source.path}: {source.count or "?"} frames, {source.rate_hz:.3g} per '
              'second', flush=True)
        run = replay_live(source, defaults._replace(
            model=args.model, models_dir=args.models_dir, backend=args.backend), args.rate)
        score = score_run(run) if run.has_ground_truth else None
        for table in run_tables(run, score):
            print(f'\n{as_text(table)}')
        for problem in run.problems:
            print(f'\nNote: {problem}.')
        page = write_report(args.out / 'index.html', [run], [score], [source],
                            f'{source.name}, played to the detector node')
        print(f'\n{summary(run, score)}\nThe page with plots and pictures: {page}')
    except (LiveError, SourceError, OSError) as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ndemo: interrupted', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
