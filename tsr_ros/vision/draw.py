# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np

# BGR, told apart by colour-blind readers too (Okabe and Ito 2008), for classes 0, 1, 2 ...
PALETTE = (
    (0, 94, 213), (178, 114, 0), (66, 228, 240), (233, 180, 86), (115, 158, 0),
    (167, 121, 204), (0, 159, 230), (200, 200, 200),
)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_detections(image, detections, labels, copy=False, line_width=0, show_labels=True):
    """
    Draw boxes, labels and scores into a BGR image (H, W, 3) uint8 and return it.

    Drawn in place unless `copy` is asked for or the image cannot be written to. The line width
    is in pixels; 0 takes one that suits the image.
    """
    if copy or not image.flags.writeable or not image.flags.c_contiguous:
        image = np.array(image, order='C')
    height, width = image.shape[:2]
    thickness = line_width or max(1, round(height / 360))
    scale = max(0.4, height / 1200)
    # worst first, so that the best lie on top
    for xyxy, score, class_id in reversed(list(zip(*detections))):
        left, top, right, bottom = (round(float(value)) for value in xyxy)
        colour = PALETTE[int(class_id) % len(PALETTE)]
        cv2.rectangle(image, (left, top), (right, bottom), colour, thickness)
        if not show_labels:
            continue
        name = labels[class_id] if 0 <= class_id < len(labels) else 'class {}'.format(class_id)
        text = '{} {:.2f}'.format(name, float(score))
        (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, scale, thickness)
        tag_height = text_height + baseline + thickness
        x = max(0, min(left, width - text_width))
        y = top - tag_height if top >= tag_height else min(bottom, height - tag_height)
        y = max(0, y)
        cv2.rectangle(image, (x, y), (x + text_width, y + tag_height), colour, cv2.FILLED)
        ink = (0, 0, 0) if sum(colour) > 330 else (255, 255, 255)
        cv2.putText(image, text, (x, y + text_height + thickness), _FONT, scale, ink, thickness,
                    cv2.LINE_AA)
    return image
