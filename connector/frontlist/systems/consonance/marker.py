"""What tells our own texts and images in Consonance from people's."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = re.compile(r"frontlist:(?P<resource>[^\s:]+):(?P<fingerprint>[0-9a-f]{16})(?![0-9a-f])")
# The name that an image of ours is uploaded under: isbn_role_sha8.jpg, or product id where there is no ISBN.
_FILE = re.compile(r"\d+_[a-z0-9-]+_[0-9a-f]{8}\.jpe?g", re.IGNORECASE)


@dataclass(frozen=True)
class Marker:
    """Stands in the internal text, which Consonance keeps out of ONIX."""

    resource: str
    fingerprint: str

    def __str__(self) -> str:
        return f"frontlist:{self.resource}:{self.fingerprint}"


def of_text(internal: str | None) -> Marker | None:
    """The marker in an internal text, wherever an editor's notes have moved it."""
    # Markdown editors escape underscores and the like; ours holds none of these, but the colon may be.
    found = _TEXT.search((internal or "").replace("\\", ""))
    return Marker(found["resource"], found["fingerprint"]) if found else None


def is_our_file(name: str | None) -> bool:
    return bool(_FILE.fullmatch(name or ""))
