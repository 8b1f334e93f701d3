# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shader node trees written as expressions."""

from __future__ import annotations

from typing import Any

import bpy

Value = Any  # a socket, a node (its first output) or a plain number or colour


class NodeGraph:
    """Builds one node tree from nothing."""

    def __init__(self, tree: bpy.types.NodeTree):
        self._tree = tree
        tree.nodes.clear()

    def node(self, kind: str, inputs: dict[Any, Value] | None = None,
             **properties: Any) -> bpy.types.Node:
        """Add a node; `inputs` by name or index, `properties` set before them."""
        node = self._tree.nodes.new('ShaderNode' + kind)
        for name, value in properties.items():
            setattr(node, name, value)
        for key, value in (inputs or {}).items():
            self.connect(node.inputs[key], value)
        return node

    def connect(self, socket: bpy.types.NodeSocket, value: Value) -> None:
        """Link a socket to another socket or node, or give it a constant."""
        if isinstance(value, bpy.types.NodeSocket):
            self._tree.links.new(value, socket)
        elif isinstance(value, bpy.types.Node):
            self._tree.links.new(value.outputs[0], socket)
        else:
            socket.default_value = value

    def math(self, operation: str, a: Value, b: Value = 0.0, c: Value = 0.0,
             clamp: bool = False) -> bpy.types.NodeSocket:
        """Return the result of one arithmetic operation."""
        node = self.node('Math', {0: a, 1: b, 2: c}, operation=operation, use_clamp=clamp)
        return node.outputs[0]

    def add(self, a: Value, b: Value) -> bpy.types.NodeSocket:
        """Return a + b."""
        return self.math('ADD', a, b)

    def times(self, *factors: Value) -> bpy.types.NodeSocket:
        """Return the product of two or more values."""
        product = factors[0]
        for factor in factors[1:]:
            product = self.math('MULTIPLY', product, factor)
        return product

    def scaled(self, value: Value, factor: Value, offset: Value) -> bpy.types.NodeSocket:
        """Return value * factor + offset."""
        return self.math('MULTIPLY_ADD', value, factor, offset)

    def absolute(self, value: Value) -> bpy.types.NodeSocket:
        """Return |value|."""
        return self.math('ABSOLUTE', value)

    def inverted(self, value: Value) -> bpy.types.NodeSocket:
        """Return 1 - value."""
        return self.math('SUBTRACT', 1.0, value)

    def exp(self, value: Value) -> bpy.types.NodeSocket:
        """Return e to the power of value."""
        return self.math('EXPONENT', value)

    def smoothstep(self, value: Value, low: float, high: float) -> bpy.types.NodeSocket:
        """Return 0 below `low`, 1 above `high`, smooth between."""
        node = self.node('MapRange', {0: value, 1: low, 2: high},
                         interpolation_type='SMOOTHSTEP')
        return node.outputs[0]

    def mix(self, factor: Value, a: Value, b: Value) -> bpy.types.NodeSocket:
        """Return the colour a (1 - factor) + b factor."""
        return self.node('Mix', {0: factor, 6: a, 7: b}, data_type='RGBA').outputs[2]

    def multiplied(self, a: Value, b: Value) -> bpy.types.NodeSocket:
        """Return two colours multiplied channel by channel."""
        node = self.node('Mix', {0: 1.0, 6: a, 7: b}, data_type='RGBA', blend_type='MULTIPLY')
        return node.outputs[2]

    def mix_value(self, factor: Value, a: Value, b: Value) -> bpy.types.NodeSocket:
        """Return the number a (1 - factor) + b factor."""
        return self.node('Mix', {0: factor, 2: a, 3: b}, data_type='FLOAT').outputs[0]

    def grey(self, value: Value) -> bpy.types.NodeSocket:
        """Return a colour with all three channels equal."""
        return self.node('CombineColor', {0: value, 1: value, 2: value}).outputs[0]

    def noise(self, position: Value, scale: float, detail: float = 3.0,
              roughness: float = 0.5) -> bpy.types.NodeSocket:
        """Return Perlin noise of about 0..1, `scale` cells per unit."""
        node = self.node('TexNoise', {'Vector': position, 'Scale': scale, 'Detail': detail,
                                      'Roughness': roughness})
        return node.outputs[0]

    def separate(self, vector: Value) -> Any:
        """Return the three coordinates of a vector."""
        return self.node('SeparateXYZ', {0: vector}).outputs


def new_material(name: str) -> tuple[bpy.types.Material, NodeGraph]:
    """Return an empty material and its graph."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        material.use_nodes = True
    return material, NodeGraph(material.node_tree)


def finish_surface(graph: NodeGraph, shader: Value) -> None:
    """Make a shader the surface of the graph's material."""
    graph.connect(graph.node('OutputMaterial').inputs[0], shader)


def snow_on(graph: NodeGraph, colour: Value, cover: Value) -> Value:
    """Return a colour under snow of albedo 0.85 (W. Wiscombe, S. Warren, 1980: fresh snow)."""
    return graph.mix(cover, colour, (0.83, 0.85, 0.88, 1))


def plain_material(name: str, colour: tuple, roughness: float = 0.7, metallic: float = 0.0,
                   emission: float = 0.0, emission_colour: tuple | None = None,
                   coat: float = 0.0, lights_scene: bool = False) -> bpy.types.Material:
    """Return a material of one colour (linear RGB); emissive ones need not light the scene."""
    material, graph = new_material(name)
    shader = graph.node('BsdfPrincipled', {
        'Base Color': (*colour, 1), 'Roughness': roughness, 'Metallic': metallic,
        'Coat Weight': coat, 'Emission Color': (*(emission_colour or colour), 1),
        'Emission Strength': emission})
    finish_surface(graph, shader)
    material.cycles.emission_sampling = 'FRONT' if lights_scene else 'NONE'
    return material
