"""Which block and which stage a name belongs to.

Knows: how names are made. Does not import Keras: `kerascnn models` needs none.
"""

from __future__ import annotations

import re

BLOCK = re.compile(
    r"(?P<block>(?P<stage>conv\d+|stage\d+)_block\d+|(?P<number>block\d+)[a-z]?(?=_|$)|[^_]+)"
)
"""What a layer's name says about its block: ``conv2_block1_1_conv``, ``block2a_bn``, ``fc1``."""


def block_of(name: str) -> str:
    """Find the block in a layer's name.

    Examples:
        >>> [block_of(n) for n in ("conv2_block1_1_conv", "block2a_bn", "block3_conv1", "fc1")]
        ['conv2_block1', 'block2a', 'block3', 'fc1']
    """
    match = BLOCK.match(name)
    return match["block"] if match else name


def stage_of(block: str) -> str:
    """Find the stage of a block; a block that is in none is its own.

    Examples:
        >>> [stage_of(b) for b in ("conv2_block1", "block2a", "block3", "fc1")]
        ['conv2', 'block2', 'block3', 'fc1']
    """
    match = BLOCK.match(block)
    return (match["stage"] or match["number"] or block) if match else block
