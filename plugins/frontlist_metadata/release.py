"""The release gate: nothing of a title is sent before it is released, and nothing is taken back afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from frontlist.mapping import ReleaseGate
from frontlist_metadata.checks import Findings
from frontlist_metadata.title import Title, of_title


@dataclass(frozen=True)
class Release:
    """`at`: when it was first seen to be released (ISO, UTC)."""

    open: bool
    at: str | None


def assess(title: Title, gate: ReleaseGate, noted: str | None, now: str, findings: Findings) -> Release:
    """Whether the title may be sent. `noted`: since when it was released, by an earlier plan."""
    if _released(title, gate):
        return Release(True, noted or now)
    if noted is None:
        return Release(False, None)
    if title.milestones is not None and title.metadata is not None:
        findings.add(
            "release/left",
            "release",
            f"the title was released and its stage no longer says so; its records stay (released {noted[:10]})",
            "set the project stage right in Consonance, or the publishing status if the book is withdrawn",
        )
    return Release(True, noted)


def _released(title: Title, gate: ReleaseGate) -> bool:
    stage, name = of_title("project_stage_id", title), of_title("project_stage", title)
    return stage in gate.stages or name in gate.stage_names or bool(title.statuses & gate.statuses)
