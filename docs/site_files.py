"""A hook of MkDocs: files outside docs/ that a page links to are part of the site too, below
repository/.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
OUTSIDE = "repository/"


def _place(path: str) -> str:
    """Return where a file of the repository stands in the site."""
    return path.removeprefix("docs/") if path.startswith("docs/") else OUTSIDE + path


def _source(place: str) -> str:
    return place.removeprefix(OUTSIDE) if place.startswith(OUTSIDE) else f"docs/{place}"


def _linked(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [
        posixpath.normpath(posixpath.join(posixpath.dirname(page), found[2]))
        for found in LINK.finditer(text)
    ]
    return [target for target in targets if (ROOT / target).is_file()]


def on_files(files: Files, *, config: Any) -> Files:
    """Add what pages link to, and what that links to."""
    pages = [_source(file.src_uri) for file in files.documentation_pages()]
    while pages:
        for target in _linked(pages.pop()):
            if files.get_file_from_path(_place(target)) is None:
                files.append(
                    File.generated(config, _place(target), abs_src_path=str(ROOT / target))
                )
                if target.endswith(".md"):
                    pages.append(target)
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Have links lead to where files stand in the site."""
    here = page.file.src_uri
    source = posixpath.dirname(_source(here))

    def rewritten(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(source, found[2]))
        if not (ROOT / target).is_file():
            return found[0]
        return f"{found[1]}{posixpath.relpath(_place(target), posixpath.dirname(here) or '.')}{found[3]}"

    return LINK.sub(rewritten, markdown)
