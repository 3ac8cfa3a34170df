"""The file system under the DAM and the events by which a storage service reports what happened in it.

The bytes come first (`/sandbox/mounts/...` here, WebDAV on a real deployment), then the event. A path that the
mount does not know becomes a `file` object without content.
"""

import mimetypes
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from frontlist_sandbox.fourallportal.errors import Refusal
from frontlist_sandbox.fourallportal.media import Content
from frontlist_sandbox.fourallportal.portal import Portal
from frontlist_sandbox.fourallportal.records import Record

MOUNT = "data"
MODULE = "file"
AUTHOR = "mount"


def clean(path: object) -> str:
    """The path as events carry it, or a 400: relative, no slash at the ends, no way upwards."""
    if not isinstance(path, str) or not path or any(part in ("", ".", "..") for part in path.split("/")):
        raise Refusal(400, f"path {path!r}: expected folder/file.jpg, relative and without slash at the ends")
    return path


def mimetype(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


@dataclass
class Mount:
    """The mount `data`: its bytes and folders, and what its events do to the portal."""

    portal: Portal
    contents: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    def handle(self, event: str, path: str, destination: str | None) -> None:
        """One event; CREATE with a destination is how a copy is reported."""
        if event == "MOVE":
            if destination is None:
                raise Refusal(400, "MOVE needs a destination")
            self._move(path, destination)
        elif event == "DELETE":
            self._delete(path)
        else:
            self._stored(destination if event == "CREATE" and destination else path)

    def rename(self, path: str, destination: str) -> None:
        """Move the bytes themselves, a folder with everything below it."""
        for old in [known for known in self.contents if _below(known, path)]:
            self.contents[destination + old[len(path) :]] = self.contents.pop(old)
        self.folders = {destination + f[len(path) :] if _below(f, path) else f for f in self.folders}

    def remove(self, path: str) -> None:
        """Drop the bytes themselves, a folder with everything below it."""
        self.contents = {known: data for known, data in self.contents.items() if not _below(known, path)}
        self.folders = {known for known in self.folders if not _below(known, path)}

    def _stored(self, path: str) -> None:
        if path in self.folders:
            return  # folders are no `file` objects, and no other module here holds them
        found = next((record for record in self._files(path) if _path(record) == path), None)
        record_id = found.id if found else self._write(path, None)
        if path in self.contents:
            content = Content(PurePosixPath(path).name, mimetype(path), self.contents[path])
            self.portal.set_content(MODULE, record_id, content, AUTHOR)

    def _move(self, path: str, destination: str) -> None:
        for record in self._files(path):
            self._write(destination + _path(record)[len(path) :], record.id)

    def _delete(self, path: str) -> None:
        for record in self._files(path):
            self.portal.delete(MODULE, record.id, AUTHOR)

    def _write(self, path: str, record_id: str | None) -> str:
        pure = PurePosixPath(path)
        parent = "" if pure.parent == PurePosixPath(".") else str(pure.parent)
        where = {"mount": MOUNT, "parent_path": parent, "name": pure.name, "mimetype": mimetype(path)}
        return self.portal.edit(MODULE, where | ({"id": record_id} if record_id else {}), author=AUTHOR)

    def _files(self, path: str) -> list[Record]:
        """The file at a path, or all files below it."""
        visible = self.portal.shelves[MODULE].visible.values()
        return [r for r in visible if r.first("mount") == MOUNT and _below(_path(r), path)]


def _path(record: Record) -> str:
    return "/".join(str(part) for part in (record.first("parent_path"), record.first("name")) if part)


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")
