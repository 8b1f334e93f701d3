# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr bag`: make, look into, convert and replay recordings."""

from __future__ import annotations

import argparse

from tsr_ros.cli import bag_export, bag_import, bag_info, bag_render, bag_replay

# subcommand: (module with configure, run and ERRORS, one line of help)
SUBCOMMANDS = {
    'render': (bag_render, 'render a drive with exact ground truth, or labelled images'),
    'info': (bag_info, 'say what is in a recording'),
    'import': (bag_import, 'make a recording of a film, a folder of images or a YOLO set'),
    'export': (bag_export, 'write a recording as a film or as labelled images'),
    'replay': (bag_replay, 'play recordings to the detector and judge what it finds'),
}
ERRORS = tuple({error for module, _ in SUBCOMMANDS.values() for error in module.ERRORS})


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands with their arguments."""
    subcommands = parser.add_subparsers(dest='subcommand', metavar='SUBCOMMAND', required=True)
    for name, (module, help_line) in SUBCOMMANDS.items():
        module.configure(subcommands.add_parser(name, help=help_line, description=help_line))


def run(args: argparse.Namespace) -> int:
    """Run a subcommand and return its exit status."""
    return SUBCOMMANDS[args.subcommand][0].run(args)
