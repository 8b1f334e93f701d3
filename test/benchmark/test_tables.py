# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from tsr_ros.benchmark.compare import build_page, compare_rows, differences
from tsr_ros.benchmark.results import ReplayResult
from tsr_ros.benchmark.tables import (
    REPLAY_HEADINGS,
    format_ms,
    recommend,
    replay_rows,
    study_rows,
)


def case(backend, precision, total_ms, map50=0.9, device='cpu', batch=1):
    statistics = {'median_ms': total_ms, 'average_ms': total_ms, 'lowest_ms': total_ms - 1,
                  'highest_ms': total_ms + 1}
    return {'model': 'm', 'backend': backend, 'precision': precision, 'batch': batch,
            'device': device, 'map50': map50, 'map50_fp32': 0.9,
            'statistics': {'inference': statistics, 'total': statistics}}


NAIVE = case('naive', 'fp32', 100.0)
FP32 = case('onnxruntime', 'fp32', 50.0)


@pytest.mark.parametrize(('cases', 'expected'), [
    ([], 'No backend ran m here.'),
    ([NAIVE], 'No backend ran m here.'),
    ([FP32], 'Deploy m with backend onnxruntime in fp32: 50.0 ms from image to boxes, 20 images '
             'a second.'),
    ([NAIVE, FP32, case('tflite', 'int8', 20.0, 0.895)],
     'Deploy m with backend tflite in int8: 20.0 ms from image to boxes, 50 images a second, 5.0 '
     'times as fast as PyTorch as most scripts use it; it costs 0.5 points of mAP@0.5.'),
    # too much is lost
    ([FP32, case('tflite', 'int8', 20.0, 0.88)],
     'Deploy m with backend onnxruntime in fp32: 50.0 ms from image to boxes, 20 images a '
     'second.'),
    # rounding counts as good, as for `backend: auto`
    ([FP32, case('openvino', 'bf16', 20.0, None)],
     'Deploy m with backend openvino in bf16: 20.0 ms from image to boxes, 50 images a second; '
     'what bf16 costs of mAP@0.5 was not measured, rounding is taken to cost 0.2 points at most.'),
    # nothing else is there
    ([case('tflite', 'int8', 20.0, None)],
     'Deploy m with backend tflite in int8: 20.0 ms from image to boxes, 50 images a second; what '
     'int8 costs of mAP@0.5 was not measured.'),
    # nobody knows what is lost
    ([FP32, case('tflite', 'int8', 20.0, None)],
     'Deploy m with backend onnxruntime in fp32: 50.0 ms from image to boxes, 20 images a '
     'second. Faster, but of unknown accuracy: tflite int8.'),
    ([FP32, case('tflite', 'int8', 20.0, 0.91)],
     'Deploy m with backend tflite in int8: 20.0 ms from image to boxes, 50 images a second; it '
     'costs nothing of mAP@0.5.'),
    # a day's drift decides nothing
    ([FP32, case('openvino', 'fp32', 52.4), case('tflite', 'fp32', 52.6)],
     'Deploy m with backend onnxruntime in fp32: 50.0 ms from image to boxes, 20 images a '
     'second. As fast within 5 %: openvino fp32.'),
    # the yardstick is on the CPU
    ([NAIVE, case('tensorrt', 'fp32', 5.0, device='cuda:0')],
     'Deploy m with backend tensorrt in fp32 on cuda:0: 5.00 ms from image to boxes, 200 images '
     'a second, 20.0 times as fast as PyTorch on the CPU, as most scripts use it.'),
    # one image at a time is what a camera gives
    ([FP32, case('onnxruntime', 'fp32', 1.0, batch=8)],
     'Deploy m with backend onnxruntime in fp32: 50.0 ms from image to boxes, 20 images a '
     'second.'),
])
def test_recommendation(cases, expected):
    assert recommend({'cases': cases}, 'm') == expected


@pytest.mark.parametrize(('value', 'expected'), [
    (None, '–'), (0.1234, '0.12'), (9.994, '9.99'), (15.44, '15.4'), (1960.0, '1960')])
def test_three_digits_that_count(value, expected):
    assert format_ms(value) == expected


def test_the_study_beside_this_computer():
    rows = {row[0]: row[1:] for row in study_rows(
        {'cases': [FP32, case('onnxruntime', 'fp16', 7.0, device='cuda'),
                   case('tensorrt', 'fp16', 5.0, device='cuda:0')]}, 'm')}
    assert rows['ONNX'] == (
        '3290 (2450 to 4130)', '2670 (1590 to 3780)', '3890 (3160 to 4620)',
        '18.5 (18.1 to 19.6)', '50.0 (49.0 to 51.0)', '7.00 (6.00 to 8.00), fp16')
    assert rows['TensorRT'] == (
        '–', '–', '–', '9.60 (8.90 to 10.2)', '–', '5.00 (4.00 to 6.00), fp16')
    assert rows['PyTorch'][4:] == ('–', '–')


def test_computers_side_by_side():
    headings, rows = compare_rows(
        [{'cases': [FP32, NAIVE]}, {'cases': [case('onnxruntime', 'fp32', 9.0)]}], ['pc', 'nano'])
    assert headings == ('model', 'backend', 'precision', 'pc, ms', 'nano, ms')
    assert rows == [('m', 'onnxruntime', 'fp32', '50.0', '9.00'),
                    ('m', 'naive', 'fp32', '100', '–')]


def test_an_accelerator_is_not_taken_for_the_cpu():
    on_gpu = case('onnxruntime', 'fp32', 5.0, device='cuda')
    _, rows = compare_rows([{'cases': [FP32, on_gpu]}, {'cases': [FP32]}], ['pc', 'nano'])
    assert rows == [('m', 'onnxruntime', 'fp32', '50.0', '50.0'),
                    ('m', 'onnxruntime on cuda', 'fp32', '5.00', '–')]


def test_every_computer_is_named_on_the_page_of_a_comparison():
    result = {'cases': [FP32], 'host': {'cpu': 'A', 'cpus': 2, 'gpu': []}, 'time': 'now'}
    names = ['_nano', r'pc$\x$']
    legend = build_page([result, result], names).html().partition('<svg')[2].partition('</svg')[0]
    for name in names:
        assert f'>{name}</text>' in legend


@pytest.mark.parametrize(('sizes', 'pictures', 'expected'), [
    (((640, 640), (640, 640)), 'aa', []),
    (((640, 640), (416, 416)), 'aa', ['the input of m, 416 x 416 or 640 x 640']),
    (((640, 640), (640, 640)), 'ab', ['the picture']),
])
def test_what_is_not_the_same_on_two_computers(sizes, pictures, expected):
    results = [{'cases': [dict(FP32, input_wh=list(size))], 'image': {'sha256': picture}}
               for size, picture in zip(sizes, pictures)]
    assert differences(results) == expected


def replay(condition, map50, detector='m', missed=4):
    return ReplayResult(f'{condition} 1', condition, detector, 100, map50, 0.8, 0.25, 20.0, missed,
                        16, 300.0)


@pytest.mark.parametrize(('replays', 'costs'), [
    ([], []),
    ([replay('clear_day', 0.5)], ['–']),
    ([replay('night', 0.2)], ['–']),  # nothing to compare with
    ([replay('night', 0.2), replay('clear_day', 0.5), replay('fog', 0.52)], ['30.0', '–', '-2.0']),
    ([replay('clear_day', 0.5), replay('fog', None)], ['–', '–']),
    # another detector's clear day is no measure of this one
    ([replay('clear_day', 0.9, 'other'), replay('clear_day', 0.5), replay('fog', 0.4)],
     ['–', '–', '10.0']),
])
def test_what_a_condition_costs(replays, costs):
    rows = replay_rows(replays)
    assert [row[REPLAY_HEADINGS.index('cost')] for row in rows] == costs
    assert all(len(row) == len(REPLAY_HEADINGS) for row in rows)


def test_a_row_for_each_replay():
    row, = replay_rows([replay('fog', 0.4)])
    assert row == ('fog 1', 'fog', 'm', '100', '0.400', '–', '0.800', '0.250', '20.0', '4 of 16',
                   '300')
