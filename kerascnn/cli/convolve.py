"""``kerascnn convolve``: parse, one call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerascnn.cli.base import Command, print_json, tell
from kerascnn.cli.declared_options import DeclaredType
from kerascnn.option_kinds import Number

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from kerascnn.convolution import Padding


_PADDING = Number(int, lambda n: n >= 0, "a whole number from 0, or 'same'", "N|same", ("same",))


@click.command("convolve", cls=Command)
@click.argument("image", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--kernel",
    default="edge",
    metavar="NAME|FILE",
    help="edge, sobel-x, sobel-y, sharpen, box-blur, gaussian-blur, emboss, or a text file with "
    "one row of numbers per line.",
)
@click.option(
    "--stride",
    type=click.IntRange(1),
    default=1,
    help="How many pixels the filter moves at a time.",
)
@click.option(
    "--padding",
    type=DeclaredType(_PADDING),
    metavar="N|same",
    default="0",
    help="Zeros on each side; same: as many as keep the size unchanged.",
)
@click.option(
    "-o", "--out", required=True, metavar="OUT.png", help="The picture to write (PNG, JPEG, ...)."
)
@click.option(
    "--show-steps", is_flag=True, help="Also draw the steps of the filter, into OUT-steps.png."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    image: str, kernel: str, stride: int, padding: Padding, out: str, show_steps: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Apply a convolution filter to IMAGE, and write the result.

    Every channel is convolved on its own. A filter whose numbers sum to 0 (edge, sobel) gives
    positive and negative values; the absolute value is written.

    \b
    kerascnn convolve photo.jpg --kernel edge -o edges.png
    kerascnn convolve photo.jpg --kernel mine.txt --stride 2 --padding same -o out.png
    """
    from kerascnn import convolution

    weights = _kernel(kernel)
    picture = _picture(image)
    _check_padded(picture.shape, padding)
    answer = convolution.filter_picture(picture, weights, stride, padding)
    _write(answer, out)
    written = [out]
    if show_steps:
        from kerascnn.report.convolution_steps import write_steps

        steps = Path(out).with_name(f"{Path(out).stem}-steps.png")
        write_steps(picture, weights, stride, padding, steps)
        written.append(str(steps))
    if as_json:
        sizes = {"from": list(picture.shape[:2]), "to": list(answer.shape[:2])}
        print_json({"written": written, "kernel": weights.tolist(), **sizes})
        return
    (height, width), (rows, columns) = picture.shape[:2], answer.shape[:2]
    tell(
        "{written}: {width} x {height} became {columns} x {rows}",
        written=", ".join(written), width=width, height=height, columns=columns, rows=rows,
    )  # fmt: skip


def _picture(image: str) -> npt.NDArray[np.uint8]:
    """Decode a picture; a gray one has no axis of channels."""
    from kerascnn import images

    rgb = images.decode(image)
    return rgb[:, :, 0] if (rgb == rgb[:, :, :1]).all() else rgb


def _check_padded(shape: tuple[int, ...], padding: Padding) -> None:
    from kerascnn.errors import ConfigError
    from kerascnn.images.limits import MAX_PIXELS

    height, width = (side + 2 * (0 if padding == "same" else padding) for side in shape[:2])
    if height * width > MAX_PIXELS:
        raise ConfigError(
            f"padding {padding} makes a picture of {width:,} x {height:,} pixels. Use less: at "
            f"most {MAX_PIXELS:,} pixels in all."
        )


def _kernel(name: str) -> npt.NDArray[np.floating[Any]]:
    from kerascnn.convolution import KERNELS, parse_kernel
    from kerascnn.errors import ConfigError

    if name in KERNELS:
        return KERNELS[name]
    try:
        return parse_kernel(Path(name).read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"kernel {name!r} is neither a file that can be read ({error}) nor one of: "
            f"{', '.join(KERNELS)}."
        ) from error


def _write(picture: npt.NDArray[np.uint8], out: str) -> None:
    from PIL import Image

    from kerascnn.errors import ConfigError
    from kerascnn.files import atomic_write

    if Path(out).suffix.lower() not in Image.registered_extensions():
        raise ConfigError(f"{out}: not a picture's name. Expected one that ends in .png or .jpg.")
    with atomic_write(out) as temporary:
        # PNG's default level takes seconds for a photograph and saves little here.
        Image.fromarray(picture).save(temporary, compress_level=1)
