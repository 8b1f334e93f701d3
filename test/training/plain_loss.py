# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The loss of YOLOv7 once more, in plain Python numbers and loops, to hold the fast one against.

Written from the formulas alone: SimOTA (Ge et al., 2021) over the candidates of YOLOv7, CIoU
(Zheng et al., 2020) and cross-entropy.
"""

from math import atan, exp, log, pi, sqrt

EPS = 1e-7


def sigmoid(x):
    return 1 / (1 + exp(-x))


def cross_entropy(logit, target):
    return -target * log(sigmoid(logit)) - (1 - target) * log(1 - sigmoid(logit))


def iou(a, b):
    """Return the overlap of two boxes x, y, w, h."""
    width = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    height = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    shared = max(width, 0) * max(height, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared + EPS)


def ciou(a, b):
    """Return the complete IoU of a prediction and an object."""
    hull_w = max(a[0] + a[2] / 2, b[0] + b[2] / 2) - min(a[0] - a[2] / 2, b[0] - b[2] / 2)
    hull_h = max(a[1] + a[3] / 2, b[1] + b[3] / 2) - min(a[1] - a[3] / 2, b[1] - b[3] / 2)
    distance = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / (hull_w**2 + hull_h**2)
    aspect = 4 / pi**2 * (atan(b[2] / b[3]) - atan(a[2] / a[3])) ** 2
    overlap = iou(a, b)
    return overlap - distance - aspect**2 / (1 - overlap + aspect + EPS)


def predicted(raw, place, anchors, strides):
    """Return the box of a place (level, image, anchor, row, column)."""
    level, image, anchor, row, column = place
    t = raw[level][image][anchor][row][column]
    stride, (anchor_w, anchor_h) = strides[level], anchors[level][anchor]
    return (
        (2 * sigmoid(t[0]) - 0.5 + column) * stride,
        (2 * sigmoid(t[1]) - 0.5 + row) * stride,
        (2 * sigmoid(t[2])) ** 2 * anchor_w,
        (2 * sigmoid(t[3])) ** 2 * anchor_h,
    )


def assign(raw, objects, anchors, strides):
    """Return {place: index of its object}; objects are rows image, class, x, y, w, h."""
    claims = {}
    for m, (image, class_id, *box) in enumerate(objects):
        candidates = []
        for level, stride in enumerate(strides):
            height, width = len(raw[level][0][0]), len(raw[level][0][0][0])
            x, y = box[0] / stride, box[1] / stride
            column, row = int(x), int(y)
            beside = column - 1 if x - column < 0.5 else column + 1
            above = row - 1 if y - row < 0.5 else row + 1
            for anchor, (w, h) in enumerate(anchors[level]):
                if max(box[2] / w, w / box[2], box[3] / h, h / box[3]) >= 4:
                    continue
                for r, c in ((row, column), (row, beside), (above, column)):
                    if 0 <= r < height and 0 <= c < width:
                        candidates.append((level, int(image), anchor, r, c))
        costs, overlaps = {}, []
        for place in candidates:
            level, n, anchor, r, c = place
            t = raw[level][n][anchor][r][c]
            overlap = iou(box, predicted(raw, place, anchors, strides))
            overlaps.append(overlap)
            cost = -3 * log(overlap + 1e-8)
            for k, logit in enumerate(t[5:]):
                score = sqrt(sigmoid(logit) * sigmoid(t[4]))
                cost -= log(score) if k == class_id else log(1 - score)
            costs[place] = cost
        count = max(int(sum(sorted(overlaps, reverse=True)[:10])), 1)
        for place in sorted(costs, key=costs.get)[:count]:
            claims.setdefault(place, []).append((costs[place], m))
    return {place: min(claim)[1] for place, claim in claims.items()}


def hidden(n, row, column, stride, regions):
    """Tell whether a cell lies in a region of its image."""
    for image, x, y, w, h in regions:
        rows = range(int(max(y - h / 2, 0) / stride), int((y + h / 2) / stride) + 1)
        columns = range(int(max(x - w / 2, 0) / stride), int((x + w / 2) / stride) + 1)
        if image == n and row in rows and column in columns:
            return True
    return False


def loss(raw, objects, labelled, anchors, strides, gains, regions=()):
    """Return total, box, objectness and class loss; regions are rows image, x, y, w, h."""
    num_classes = len(labelled[0])
    answer = assign(raw, objects, anchors, strides)
    box_terms, class_terms, closeness = {}, {}, {}
    for place, m in answer.items():
        level, image, anchor, row, column = place
        t = raw[level][image][anchor][row][column]
        value = ciou(predicted(raw, place, anchors, strides), objects[m][2:])
        box_terms.setdefault(level, []).append(1 - value)
        closeness[place] = max(value, 0)
        class_terms.setdefault(level, []).append(sum(
            cross_entropy(t[5 + k], float(k == objects[m][1])) for k in range(num_classes)
            if labelled[image][k] or k == objects[m][1]) / num_classes)
    objectness = 0
    for level, balance in enumerate((4.0, 1.0, 0.4)):
        total, cells, stride = 0, 0, strides[level]
        for n, anchors_of_image in enumerate(raw[level]):
            for a, rows in enumerate(anchors_of_image):
                for r, row in enumerate(rows):
                    for c, t in enumerate(row):
                        cells += 1
                        place = (level, n, a, r, c)
                        if place not in closeness:
                            best = max(range(num_classes), key=lambda k, t=t: t[5 + k])
                            if not labelled[n][best] or hidden(n, r, c, stride, regions):
                                continue
                        total += cross_entropy(t[4], closeness.get(place, 0.0))
        objectness += balance * total / cells
    box, classes = (
        sum(sum(terms) / len(terms) for terms in levels.values())
        for levels in (box_terms, class_terms))
    size = len(raw[0][0][0]) * len(raw[0][0][0][0]) * strides[0] ** 2 / 640**2
    whole = gains[0] * box + gains[1] * size * objectness
    if num_classes > 1:
        whole += gains[2] * num_classes / 80 * classes
    return whole * len(labelled), box, objectness, classes
