# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page that shows a replay: what was found, how fast, and what became of every frame."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tsr_ros.backends.base import available_cpus
from tsr_ros.replay.frame import encode_jpeg
from tsr_ros.replay.run import Answer, Run, percentiles_ms
from tsr_ros.replay.score import RunScore
from tsr_ros.replay.sources import Source
from tsr_ros.replay.tables import Table, conditions_tables, run_tables
from tsr_ros.report.page import Page
from tsr_ros.report.plots import ABOVE, COLOURS, new_figure
from tsr_ros.vision.draw import draw_detections

PICTURES = 6
_LARGE_WIDTH, _SMALL_WIDTH, _PICTURE_QUALITY = 1080, 640, 80
_STACK = {  # stage: what the plot's legend calls it, and its colour
    'queue_wait': ('waiting', COLOURS[5]), 'decode': ('decoding', COLOURS[1]),
    'preprocess': ('preprocessing', COLOURS[2]), 'inference': ('network', COLOURS[0]),
    'postprocess': ('postprocessing', COLOURS[4]), 'publish': ('publishing', COLOURS[3]),
}
_LEAST_BAR_M = 0.5  # so that a sign found at the last moment is not found in vain
_BETWEEN = ('between processes', COLOURS[6])


def write_report(path: Path, runs: Sequence[Run], scores: Sequence[RunScore | None],
                 sources: Sequence[Source], title: str) -> Path:
    """Write one self-contained page about one or several runs; return its path."""
    page = Page(title, _subtitle(runs[0]))
    scored = [(run, score) for run, score in zip(runs, scores, strict=True) if score is not None]
    if len(scored) > 1:
        for table in conditions_tables(*zip(*scored, strict=True)):
            _add_table(page, table)
    for run, score, source in zip(runs, scores, sources, strict=True):
        if len(runs) > 1:
            page.heading(run.source)
        _add_run(page, run, score, source)
    page.heading('How to read this')
    for text in _explanations(runs[0], bool(scored)):
        page.text(text)
    return page.write(path)


def _subtitle(run: Run) -> str:
    detector = run.detector
    return (f'{detector["model"]} on {detector["backend"]}, {detector["precision"]}, '
            f'{detector["device"]}, {detector["threads"]} threads · {available_cpus()} CPU cores, '
            f'{platform.machine()} · {time.strftime("%d %B %Y, %H:%M")}')


def _add_run(page: Page, run: Run, score: RunScore | None, source: Source) -> None:
    page.text(summary(run, score), 'lead')
    page.tiles(_tiles(run, score))
    for problem in run.problems:
        page.text(f'Note: {problem}.')
    pictures = annotated_pictures(run, source)
    if pictures:
        page.heading('What the detector saw', 3)
        first, *others = pictures
        page.picture(*first)
        page.gallery(others)
    page.heading('Latency over time', 3)
    page.plot(latency_figure(run), _latency_caption(run))
    if score is not None and any(np.isfinite(sign.visible.distance_m) for sign in score.signs):
        page.heading('From which distance each sign was seen', 3)
        page.plot(signs_figure(score),
                  'Bars run from where a sign can first be told apart to where it is last to be '
                  'seen, far off where the drive ends before it; the farther away blue and green '
                  'begin, the better.')
    for table in run_tables(run, score):
        _add_table(page, table)


def _add_table(page: Page, table: Table) -> None:
    page.heading(table.title, 3)
    page.table(table.headings, table.rows, table.left)
    if table.note:
        page.text(table.note, 'soft')


def summary(run: Run, score: RunScore | None) -> str:
    """Return the replay in two or three sentences."""
    sent, answered = len(run.answers), run.answered
    stage = 'end_to_end' if run.mode == 'live' else 'total'
    text = f'Of {sent} frames {answered} were answered and {sent - answered} dropped.'
    if len(run.times_ms(stage)):
        times = percentiles_ms(run.times_ms(stage))
        half, most = _ms(times['p50']), _ms(times['p95'])
        if run.mode == 'live':
            text += (f' Half of the answers were there {half} after an image was sent, '
                     f'95\u00a0% within {most}.')
        else:
            text += f' Half of them took {half} from file to boxes, 95\u00a0% at most {most}.'
    found = sum(run.detections_per_class().values())
    if score is None or not score.signs:
        return f'{text} {found} signs and lights were found in them, all frames together.'
    passed = len(score.passed)
    text += (f' Of {passed} signs passed {passed - score.missed} were found and '
             f'{passed - score.unconfirmed} confirmed.')
    return text + (f' {len(score.signs) - passed} more were still ahead at the end.'
                   if len(score.signs) > passed else '')


def _ms(time_ms: float) -> str:
    return f'{time_ms:.0f} ms' if time_ms >= 10 else f'{time_ms:.1f} ms'


def _tiles(run: Run, score: RunScore | None) -> list[tuple[str, str]]:
    sent = max(len(run.answers), 1)
    tiles = [(f'{100 * run.answered / sent:.0f} %', f'answered of {len(run.answers)} frames')]
    stage = 'end_to_end' if run.mode == 'live' else 'total'
    if len(run.times_ms(stage)):
        times = percentiles_ms(run.times_ms(stage))
        words = 'end to end' if run.mode == 'live' else 'a frame'
        tiles += [(_ms(times['p50']), f'{words}, median'),
                  (_ms(times['p95']), f'{words}, 95\u00a0% within')]
        inference = run.times_ms('inference')
        if len(inference):
            tiles.append((_ms(float(np.median(inference))), 'network alone, median'))
    if score is None or not score.signs:
        tiles.append((str(sum(run.detections_per_class().values())), 'detections'))
    else:
        passed = len(score.passed)
        tiles += [(f'{passed - score.missed} of {passed}', 'signs found'),
                  (f'{score.false_alarms_per_minute:.0f}', 'false alarms a minute')]
    return tiles


# -- pictures ------------------------------------------------------------------------------------

def annotated_pictures(run: Run, source: Source, count: int = PICTURES) \
        -> list[tuple[bytes, str]]:
    """
    Return JPEG files, boxes drawn in, and captions of frames that show what was found.

    The one with most to see comes first and has words beside its boxes; the others, in their
    order, are shown small.
    """
    chosen = choose_answers(run, count)
    best = max(chosen, key=lambda answer: run.confident(answer).score.sum(), default=None)
    wanted = {answer.stamp_ns: answer for answer in chosen}
    pictures = []
    for frame in source.frames():
        answer = wanted.pop(frame.stamp_ns, None)
        if answer is not None:
            picture = _annotated(frame.bgr(), answer, run, answer is best)
            pictures.insert(0 if answer is best else len(pictures),
                            (picture, _caption(answer, run)))
        if not wanted:
            break
    return pictures


def choose_answers(run: Run, count: int) -> list[Answer]:
    """
    Return up to `count` answered frames from all along the drive, those with most to see.

    The drive is cut into `count` parts; from each comes the frame with the greatest sum of
    scores. Where nothing was found anywhere, frames without a detection are shown.
    """
    answered = [answer for answer in run.answers if answer.detections is not None]
    sums = [float(run.confident(answer).score.sum()) for answer in answered]
    chosen = []
    for part in np.array_split(np.arange(len(answered)), min(count, len(answered)) or 1):
        if len(part):
            best = max(part, key=lambda place: sums[place])
            if sums[best] > 0 or not any(sums):
                chosen.append(answered[best])
    return chosen


def _annotated(bgr: np.ndarray, answer: Answer, run: Run, large: bool) -> bytes:
    scale = min(1.0, (_LARGE_WIDTH if large else _SMALL_WIDTH) / bgr.shape[1])
    # shrunk first, so that lines and words keep their size
    bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if answer.ground_truth is not None:
        for left, top, right, bottom in (answer.ground_truth.xyxy * scale).round().astype(int):
            cv2.rectangle(bgr, (int(left), int(top)), (int(right), int(bottom)),
                          (255, 255, 255), 1)
    found = run.confident(answer)
    drawn = draw_detections(bgr, found._replace(xyxy=found.xyxy * scale), run.labels,
                            line_width=0 if large else 2, show_labels=large)
    return encode_jpeg(drawn, _PICTURE_QUALITY)


def _caption(answer: Answer, run: Run) -> str:
    seconds = (answer.stamp_ns - run.answers[0].stamp_ns) / 1e9
    found = run.confident(answer)
    names = [f'{run.labels[class_id]} {score:.2f}' for score, class_id in zip(
        found.score.tolist(), found.class_id.tolist(), strict=True)]
    return f'{seconds:.1f} s: {", ".join(names) or "nothing found"}'


# -- plots ---------------------------------------------------------------------------------------

def latency_figure(run: Run) -> Any:
    """Return a plot of where the time of each answer went, and when frames were dropped."""
    figure, axes = new_figure(8.0, 3.6)
    answered = [answer for answer in run.answers if 'total' in answer.times_ms]
    start_ns = run.answers[0].stamp_ns if run.answers else 0
    seconds = np.array([(answer.stamp_ns - start_ns) / 1e9 for answer in answered])
    layers = {look: np.array([answer.times_ms.get(stage, 0.0) for answer in answered])
              for stage, look in _STACK.items()}
    if run.mode == 'live' and answered:
        between = [answer.times_ms.get('end_to_end', np.nan) - answer.times_ms['total']
                   for answer in answered]
        layers[_BETWEEN] = np.maximum(np.nan_to_num(between), 0)
    layers = {look: times for look, times in layers.items() if times.any()}
    if layers:
        words, colours = zip(*layers, strict=True)
        axes.stackplot(seconds, *layers.values(), labels=words, colors=colours, step='mid',
                       linewidth=0)
        whole = np.sum(list(layers.values()), axis=0)
        top = min(whole.max() * 1.05, 3 * np.percentile(whole, 95))
        axes.set_ylim(0, top)
    dropped = [(answer.stamp_ns - start_ns) / 1e9 for answer in run.answers
               if answer.detections is None]
    if dropped:
        axes.plot(dropped, np.full(len(dropped), 1.03), '|', color='#cf222e', markersize=8,
                  transform=axes.get_xaxis_transform(), clip_on=False, label='frame dropped')
    axes.set_xlabel('seconds of the drive')
    axes.set_ylabel('ms')
    axes.set_xlim(0, max(run.duration_s, 1e-3))
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, ncol=4, fontsize=9, **ABOVE)
    return figure


def _latency_caption(run: Run) -> str:
    if run.mode == 'live':
        return ('Each answer\'s time from the image being sent to its detections being received, '
                'and where it went.')
    return 'Each frame\'s time from its file to its boxes, and where it went.'


def signs_figure(score: RunScore) -> Any:
    """Return a plot of the distances at which each sign was visible, detected and confirmed."""
    figure, axes = new_figure(8.0, 0.9 + 0.3 * len(score.signs))
    for row, sign in enumerate(score.signs):
        for sight, colour in ((sign.visible, '#c9cfd6'), (sign.detected, COLOURS[5]),
                              (sign.confirmed, COLOURS[2])):
            if sight is not None and np.isfinite(sight.distance_m):
                last_m = sign.last.distance_m
                axes.barh(row, max(sight.distance_m - last_m, _LEAST_BAR_M), left=last_m,
                          color=colour, height=0.7)
    axes.set_yticks(range(len(score.signs)),
                    [f'{sign.track_id} ({sign.label})' for sign in score.signs])
    axes.invert_yaxis()
    axes.invert_xaxis()
    axes.set_xlabel('metres to the sign')
    axes.grid(False, axis='y')
    handles = [axes.barh(0, 0, color=colour) for colour in ('#c9cfd6', COLOURS[5], COLOURS[2])]
    axes.legend(handles, ('visible', 'detected', 'confirmed'), ncol=3, fontsize=9, **ABOVE)
    return figure


def _explanations(run: Run, scored: bool) -> list[str]:
    if run.mode == 'live':
        texts = [
            'The player, the detector node and the observer who kept this account ran as three '
            'processes, joined by ROS 2 topics only. The player sent every frame at its own time, '
            f'{run.rate:g} times the pace of the source. The node always takes the newest frame: '
            'where frames come faster than it can serve, the older one is dropped, so that '
            'answers never lag behind. Every frame sent is found again as answered or dropped.',
            'End to end runs from handing the image to the middleware until its detections had '
            'arrived in the observer. The stages from waiting to publishing are the node\'s own '
            'measurements.']
    else:
        texts = ['Every frame went through the detector in one process, as fast as it goes; none '
                 'was dropped for lack of time. The same source gives the same boxes each time.']
    if scored:
        texts.append(
            'White outlines are the ground truth, coloured ones the detections. A detection is '
            'right if it overlaps an object of its class by half (intersection over union). A '
            'sign is confirmed once it was found again and again, by the rules of the node.')
    return texts
