"""A local 4ALLPORTAL: the documented routes over modules that exist in memory only."""

from frontlist_sandbox.fourallportal.server import KEY, app
from frontlist_sandbox.fourallportal.toggles import Toggles

__all__ = ["KEY", "Toggles", "app"]
