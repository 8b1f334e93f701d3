# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[2] / 'notebooks'


def test_the_notebook_runs_from_the_first_cell_to_the_last(tmp_path, monkeypatch):
    for name, value in (('EPOCHS', 1), ('SIZE', 160), ('RUNS', 3), ('FOLDER', tmp_path / 'out')):
        monkeypatch.setenv(f'TSR_{name}', str(value))
    monkeypatch.setenv('IPYTHONDIR', str(tmp_path / 'ipython'))
    notebook = nbformat.read(NOTEBOOKS / 'colab.ipynb', as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=600, kernel_name='python3',
                   resources={'metadata': {'path': str(NOTEBOOKS)}}).execute()
    result = json.loads((tmp_path / 'out' / 'benchmark' / 'benchmark.json').read_text())
    measured = {(case['backend'], case['precision']) for case in result['cases']}
    assert measured >= {('onnxruntime', 'fp32'), ('onnxruntime', 'int8'), ('pytorch', 'fp32')}
    shown = notebook.cells[-1].outputs[0]['data']['text/html']
    assert 'Which runtime is fastest on this computer?' in shown
