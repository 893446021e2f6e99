"""Hook of MkDocs: adds linked files outside docs/ to the site, and shows diagrams as pictures."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTSIDE = "repository/"


def site_path(path: str) -> str:
    """Return the path in the site of a file of the repository."""
    return path.removeprefix("docs/") if path.startswith("docs/") else OUTSIDE + path


def source_path(path: str) -> str:
    """Return the path in the repository of a file of the site."""
    return path.removeprefix(OUTSIDE) if path.startswith(OUTSIDE) else f"docs/{path}"


def linked_files(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [
        posixpath.normpath(posixpath.join(posixpath.dirname(page), link[2]))
        for link in LINK.finditer(text)
    ]
    return [target for target in targets if (ROOT / target).is_file()]


def diagrams(page: str) -> Iterator[tuple[str, str]]:
    """Yield picture and digest of each Mermaid block of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for index, block in enumerate(DIAGRAM.findall(text), 1):
        digest = hashlib.sha256(block.encode()).hexdigest()
        yield f"docs/images/{Path(page).stem}-{index}.svg", digest


def on_files(files: Files, *, config: Any) -> Files:
    """Add the files that pages link to, and the links of those."""
    pages = [source_path(file.src_uri) for file in files.documentation_pages()]
    while pages:
        for target in linked_files(pages.pop()):
            if files.get_file_from_path(site_path(target)) is None:
                source = str(ROOT / target)
                files.append(File.generated(config, site_path(target), abs_src_path=source))
                if target.endswith(".md"):
                    pages.append(target)
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Turn links to paths of the site, and diagrams to their pictures.

    A diagram stays Mermaid in the source, since GitHub draws it. The site shows a picture instead:
    Mermaid's script would come from elsewhere.
    """
    here = page.file.src_uri
    source = posixpath.dirname(source_path(here))
    up = posixpath.dirname(here) or "."

    def site_link(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(source, link[2]))
        if not (ROOT / target).is_file():
            return link[0]
        return f"{link[1]}{posixpath.relpath(site_path(target), up)}{link[3]}"

    indices = count(1)

    def picture(_: re.Match[str]) -> str:
        path = posixpath.relpath(f"images/{Path(here).stem}-{next(indices)}.svg", up)
        return f"![Diagram]({path})"

    return DIAGRAM.sub(picture, LINK.sub(site_link, markdown))
