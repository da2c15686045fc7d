"""What MkDocs does besides: a page of every command, and links to files that are not pages.

Knows: Click's help, MkDocs' hooks. Does not know what any page says.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import click

from kerascnn.cli import main

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")
"""A link to a file of the repository that is no page: README.md, examples/…"""
_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):(<code>)~?")
_DIAGRAM = re.compile(r'<pre class="mermaid"><code>(.*?)</code></pre>', re.DOTALL)

_CODE = re.compile(r"<code>([^<]*)</code>")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


def on_files(files: Any, config: Any) -> Any:
    """Add the page that shows every command's ``--help``."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "commands.md", content=commands_page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Name files outside the site in place of linking them."""
    return _OUTSIDE.sub(r"\1 (`\2` in the repository)", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Show references of docstrings as code alone, diagrams without a script, and whole options."""
    html = _DIAGRAM.sub(lambda found: _stacked(found[1]), _ROLE.sub(r"\1", html))
    return _CODE.sub(
        lambda found: _OPTION.sub(r'<span class="option">\g<0></span>', found[0]), html
    )


def _stacked(diagram: str) -> str:
    """Write the boxes of a diagram as a list: the site loads no script from elsewhere."""
    boxes = re.findall(r'\["(.*?)"\]', unescape(diagram))
    rows = "".join(f"<li>{box.replace('&nbsp;', ' ')}</li>" for box in boxes)
    return f'<ol class="layers">{rows}</ol>'


def commands_page() -> str:
    """Write the page of all commands."""
    parts = ["# Commands", "The output of `--help` for each command."]
    for name, command in sorted(_commands(main, "kerascnn")):
        context = click.Context(command, info_name=name, max_content_width=96)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts) + "\n"


def _commands(group: click.Group, name: str) -> list[tuple[str, click.Command]]:
    context, found = click.Context(group), []
    for one in group.list_commands(context):
        command = group.get_command(context, one)
        if isinstance(command, click.Group):
            found += _commands(command, f"{name} {one}")
        elif command is not None and not command.hidden:
            found.append((f"{name} {one}", command))
    return found
