"""The block and stage of a layer, by its name.

Knows: naming patterns. Does not import Keras, which `kerascnn models` does not need.
"""

from __future__ import annotations

import re

BLOCK = re.compile(
    r"(?P<block>(?P<stage>conv\d+|stage\d+)_block\d+|(?P<number>block\d+)[a-z]?(?=_|$)|[^_]+)"
)
"""Pattern of the block in a layer's name: ``conv2_block1_1_conv``, ``block2a_bn``, ``fc1``."""


def block_of(name: str) -> str:
    """Find the block in a layer's name.

    Examples:
        >>> [block_of(n) for n in ("conv2_block1_1_conv", "block2a_bn", "block3_conv1", "fc1")]
        ['conv2_block1', 'block2a', 'block3', 'fc1']
    """
    match = BLOCK.match(name)
    return match["block"] if match else name


def stage_of(block: str) -> str:
    """Find the stage of a block; a block without one is its own stage.

    Examples:
        >>> [stage_of(b) for b in ("conv2_block1", "block2a", "block3", "fc1")]
        ['conv2', 'block2', 'block3', 'fc1']
    """
    match = BLOCK.match(block)
    return (match["stage"] or match["number"] or block) if match else block
