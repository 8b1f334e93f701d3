# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from tsr_ros.report.text_table import number, text_table


@pytest.mark.parametrize(('rows', 'left', 'expected'), [
    ([], 1, 'name  ms'),
    ([('a', '1.5'), ('long name', 10)], 1, 'name        ms\na          1.5\nlong name   10'),
    ([('a', 'b'), ('c', 'longer')], 2, 'name  ms\na     b\nc     longer'),  # no blanks at the end
    ([('a', '')], 2, 'name  ms\na'),
])
def test_columns_are_aligned(rows, left, expected):
    assert text_table(('name', 'ms'), rows, left) == expected


@pytest.mark.parametrize(('value', 'form', 'expected'), [
    (0.25, '.3f', '0.250'), (2.0, '+.1f', '+2.0'), (float('nan'), '+.1f', '–')])
def test_a_number_that_does_not_exist_is_a_dash(value, form, expected):
    assert number(value, form) == expected


def test_a_row_that_lacks_a_cell_is_a_mistake():
    with pytest.raises(ValueError):
        text_table(('name', 'ms'), [('a',)])
