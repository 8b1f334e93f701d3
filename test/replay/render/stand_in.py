# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
In Blender's place: `stand_in.py [stop at frame] JOB.json` writes frames of plain light.

All signs of a frame are there, each a filled hull. With a number it stops before that frame, as
Blender does when it crashes.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from tsr_ros.replay.render.ground_truth import projected_signs


def main():
    *stop_at, job_file = sys.argv[1:]
    job = json.loads(Path(job_file).read_text())
    plan = job['plan']
    width, height = plan['resolution_wh']
    for frame in job['frames']:
        if stop_at == [str(frame)]:
            sys.exit('out of lamp oil')
        rng = np.random.default_rng(frame)
        light = rng.uniform(0.1, 0.4 + 0.1 * frame, (height, width, 3)).astype(np.float16)
        index = np.zeros((height, width), np.uint8)
        for sign, pixels, _ in projected_signs(plan, plan['poses'][frame + 1]['camera']):
            hull = cv2.convexHull(np.round(pixels).astype(np.int32))
            cv2.fillConvexPoly(index, hull, sign['track_id'])
        with (Path(job['folder']) / f'{frame:05d}.npz').open('wb') as file:
            np.savez(file, light=light, depth=np.full((height, width), 60, np.float16),
                     index=index.astype(np.uint16))
        print('rendered', frame, flush=True)


main()
