"""What mkdocs lacks: pages from the root, notebooks, formulas, files of the checkout.

The README is the home page, CONTRIBUTING and CHANGELOG are pages beside it; a notebook is shown
with its stored outputs; links that leave ``docs/`` lead to the file, which comes along under
``files/``.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from griffe import Extension, Object
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
HOME = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
CODE = re.compile(r"(^```.*?^```|``[^`]*``|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
# Within a line or across one's end, but not across a paragraph's.
MATH = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$((?:[^$\n]|\n(?!\n))+?)\$", re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from the root, and those of the notebooks."""
    for name, home in HOME.items():
        text = linked((ROOT / name).read_text(), name, home, files, config)
        files.append(File.generated(config, home, content=text))
    for file in [*files]:
        if file.src_uri.endswith(".ipynb"):
            text = notebook(file, files, config)
            files.append(File.generated(config, paged(file.src_uri), content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Write formulas as MathML, and lead links where their files are on the site."""
    uri = page.file.src_uri
    if uri not in HOME.values():
        markdown = linked(markdown, f"docs/{uri}", uri, files, config)
    parts = CODE.split(markdown)
    return "".join(
        part if place % 2 else MATH.sub(formula, part) for place, part in enumerate(parts)
    )


def linked(text: str, source: str, uri: str, files: Files, config: Any) -> str:
    """The text with the links of a file of the checkout as those of a page of the site."""

    def lead(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        if target in HOME:
            target = HOME[target]
        elif target.startswith("docs/"):
            target = paged(target.removeprefix("docs/"))
        else:
            target, path = f"files/{target}", ROOT / target
            if not files.get_file_from_path(target):
                files.append(File.generated(config, target, abs_src_path=str(path)))
        start = posixpath.dirname(uri) or "."
        return f"{match[1]}{posixpath.relpath(target, start)}{match[3]}"

    parts = CODE.split(text)
    return "".join(part if place % 2 else LINK.sub(lead, part) for place, part in enumerate(parts))


def paged(uri: str) -> str:
    """The page of a notebook."""
    return uri.replace(".ipynb", ".md")


def notebook(file: File, files: Files, config: Any) -> str:
    """A notebook as Markdown, with a link to itself; its pictures become files beside the page."""
    parts: list[str] = []
    for place, cell in enumerate(json.loads(file.content_string)["cells"]):
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            if "image/png" in shown:
                name = f"{Path(file.src_uri).stem}-{place}.png"
                content = base64.b64decode(shown["image/png"])
                uri = posixpath.join(posixpath.dirname(file.src_uri), name)
                files.append(File.generated(config, uri, content=content))
                parts.append(f"![{shown.get('text/plain', 'figure')[0][:60]}]({name})")
            else:
                text = "".join(output.get("text", shown.get("text/plain", "")))
                parts.append(f"```text\n{text.rstrip()}\n```")
    # As HTML: links of Markdown to a notebook lead to its page.
    name = posixpath.basename(file.src_uri)
    parts.append(f'<a href="../{name}" download>This page as a notebook</a>')
    return "\n\n".join(parts) + "\n"


def formula(match: re.Match[str]) -> str:
    """A formula of LaTeX as MathML, in which Markdown finds nothing to emphasise."""
    block = match[1] is not None
    text = convert(match[1] or match[2], display="block" if block else "inline")
    text = text.replace("<mi>log</mi>", '<mi>log</mi><mspace width="0.17em" />')
    text = re.sub(r"[*_]", lambda sign: f"&#{ord(sign[0])};", text)
    # Markdown would take a formula at the start of a line for a paragraph of its own.
    return f"\n\n<div>{text}</div>\n\n" if block else f"<span>{text}</span>"


class Doctests(Extension):
    """Examples in docstrings as blocks of code."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"(?:^|(?<=\n\n))(>>> .*?)(?=\n\n|\Z)",
                r"```pycon\n\1\n```",
                obj.docstring.value,
                flags=re.DOTALL,
            )
