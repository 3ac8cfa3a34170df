"""ONIX messages as a stream of records: any tag set, any namespace, one record in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from frontlist_sandbox.catalogue.tags import REFERENCE

_CHUNK = 64 * 1024
# Inside these stands XHTML, whose names are not ONIX's.
_PROSE = frozenset({"Text", "BiographicalNote"})


@dataclass(frozen=True)
class Source:
    """Where in the catalogue something stands."""

    file: str
    line: int | None


@dataclass(frozen=True)
class Defaults:
    """What the message's header states for all its records."""

    currency: str | None = None
    price_type: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Record:
    """A `Product` with reference names and no namespace; valid only until the next one is asked for."""

    source: Source
    element: etree._Element
    defaults: Defaults


@dataclass(frozen=True)
class Trouble:
    """Why a file, or the rest of it, gives no records; `fatal=False` is only worth a note."""

    source: Source
    reason: str
    fatal: bool = True


def records(path: Path) -> Iterator[Record | Trouble]:
    """The records of a file in order; what cannot be read comes as `Trouble`, nothing is raised."""
    try:
        with path.open("rb") as stream:
            yield from _Reading(path.name).run(iter(lambda: stream.read(_CHUNK), b""))
    except OSError as error:
        cure = "check the path and its permissions"
        yield Trouble(Source(path.name, None), f"the file cannot be opened ({error.strerror}); {cure}")


class _Reading:
    def __init__(self, name: str) -> None:
        self._name = name
        self._defaults: Defaults | None = None
        self._count = 0
        # Entities stay references and no DTD is fetched: a catalogue is somebody else's file.
        self._parser = etree.XMLPullParser(
            events=("end",),
            tag=("{*}Product", "{*}product"),
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            dtd_validation=False,
            remove_comments=True,
            remove_pis=True,
            huge_tree=False,
        )

    def run(self, chunks: Iterator[bytes]) -> Iterator[Record | Trouble]:
        broken: etree.LxmlError | None = None
        root: etree._Element | None = None
        try:
            for chunk in chunks:
                self._parser.feed(chunk)
                yield from self._records()
            root = self._parser.close()
        except etree.LxmlError as error:
            broken = error
        # Also after an error: what was whole before it counts.
        yield from self._records()
        if broken is not None:
            yield self._trouble(broken)
        elif not self._count:
            yield Trouble(self._at(root), f"no ONIX product in it (root element: {_local(root)}); give an ONIX 3 file")

    def _records(self) -> Iterator[Record | Trouble]:
        for _, element in self._parser.read_events():
            assert isinstance(element, etree._Element)
            parent = element.getparent()
            if parent is None or parent.getparent() is None:
                self._count += 1
                yield from self._record(element, parent)
                _forget(element, parent)

    def _record(self, element: etree._Element, parent: etree._Element | None) -> Iterator[Record | Trouble]:
        if self._defaults is None:
            self._defaults = _defaults(parent)
            yield from self._message_notes(element)
        source = self._at(element)
        if parent is not None and str(parent.get("release", "3")).startswith(("1", "2")):
            yield Trouble(source, f"ONIX {parent.get('release')} is not read; give ONIX 3.0 or 3.1")
            return
        _to_reference(element)
        yield Record(source, element, self._defaults)

    def _message_notes(self, element: etree._Element) -> Iterator[Trouble]:
        dtd = element.getroottree().docinfo.internalDTD
        if dtd is not None and any(True for _ in dtd.iterentities()):  # type: ignore[attr-defined]  # lxml-stubs lack it
            yield Trouble(Source(self._name, 1), "declares entities of its own; they are not expanded", fatal=False)

    def _trouble(self, error: etree.LxmlError) -> Trouble:
        kept = f"; what came before it is kept ({self._count} records)" if self._count else ""
        reason = f"not well-formed XML from here on ({error}){kept}; have the file sent again"
        return Trouble(Source(self._name, getattr(error, "lineno", None) or None), reason)

    def _at(self, element: etree._Element | None) -> Source:
        line = None if element is None else element.sourceline
        return Source(self._name, line if isinstance(line, int) else None)


def _forget(element: etree._Element, parent: etree._Element | None) -> None:
    element.clear()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _local(element: etree._Element | None) -> str:
    return "none" if element is None else str(element.tag).rpartition("}")[2]


def _to_reference(element: etree._Element) -> None:
    waiting = [element]
    while waiting:
        current = waiting.pop()
        # Names that we do not read stay as they are: not every name that parses may be set.
        known = REFERENCE.get(_local(current))
        if known is not None:
            current.tag = known
        if current.tag not in _PROSE:
            waiting.extend(child for child in current if isinstance(child.tag, str))


def _defaults(message: etree._Element | None) -> Defaults:
    header = None if message is None else next(message.iterchildren("{*}Header", "{*}header"), None)
    if header is None:
        return Defaults()
    _to_reference(header)
    stated = (header.findtext(f"Default{name}") for name in ("CurrencyCode", "PriceType", "LanguageOfText"))
    return Defaults(*((text or "").strip() or None for text in stated))
