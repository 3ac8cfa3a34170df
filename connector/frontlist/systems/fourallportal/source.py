"""4ALLPORTAL as capture reads it: a feed a module, documents of the cells that 4ALLPORTAL owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from frontlist.contract import FieldKey, Json, Resource, TitleKey
from frontlist.source import Feed, Raw, RawKey, Statement
from frontlist.systems.fourallportal import records
from frontlist.systems.fourallportal.client import Client
from frontlist.systems.fourallportal.feed import ModuleFeed
from frontlist.systems.fourallportal.modules import ModuleUse
from frontlist.systems.fourallportal.settings import SYSTEM, FourallportalSettings
from frontlist.systems.fourallportal.tenant import Tenant
from frontlist_schemas.canonical import fingerprint
from frontlist_schemas.fourallportal import Metadata

#: Raised whenever `title` or `assemble` answers otherwise for the same objects.
READING = 1


class FourallportalSource:
    """`tenant`: the name of the installation, by which we know what we created."""

    name = SYSTEM
    aspects: tuple[str, ...] = ("metadata",)

    def __init__(self, client: Client, uses: Sequence[ModuleUse], tenant: str, settings: FourallportalSettings) -> None:
        self._tenant = Tenant.of(client, uses, settings)
        self._installation = tenant
        self.version = _version(uses, tenant)
        self.feeds: Sequence[Feed] = tuple(ModuleFeed(self._tenant, use) for use in uses)

    async def fetch(self, keys: Sequence[RawKey]) -> Sequence[Raw]:
        """By GET, one by one: what a connector leaves out may only be outside its condition."""
        found: dict[RawKey, Raw] = {}
        for kind in dict.fromkeys(key.kind for key in keys):
            found |= await self._fetched(kind, [key.id for key in keys if key.kind == kind])
        return [found.get(key) or Raw(key, None) for key in keys]

    async def _fetched(self, kind: str, ids: list[str]) -> dict[RawKey, Raw]:
        use = self._tenant.uses[kind]
        shown = await self._tenant.one_by_one(kind, list(dict.fromkeys(ids)), use.read)
        module = (await self._tenant.known(kind)).module
        carried = use.read & set(module.by_name)
        raws = (records.raw(one, module, use, carried) for one in shown.values())
        return {raw.key: raw for raw in raws}

    def title(self, raw: Raw, links: Mapping[Resource, TitleKey]) -> TitleKey:
        """By link, else by the work id that we wrote, else the object stands for itself."""
        linked = links.get(Resource(SYSTEM, raw.key.kind, raw.key.id))
        if linked is not None:
            return linked
        use = self._tenant.uses.get(raw.key.kind)
        work = records.number(raw.body, use.marker_work) if use else None
        return TitleKey(f"work:{work}" if work is not None else f"object:{raw.key.kind}/{raw.key.id}")

    def contradicts(self, raw: Raw, fields: Mapping[FieldKey, Json]) -> frozenset[FieldKey]:
        """By the module as it was last read; the feed and `fetch` have read it before there is a raw object."""
        known = self._tenant.last(raw.key.kind)
        return frozenset() if known is None else records.contradicted(raw.watched or {}, known.module, fields)

    def isbns(self, raw: Raw) -> frozenset[str]:
        """Of the fields that the mapping has for ISBNs."""
        use = self._tenant.uses.get(raw.key.kind)
        return frozenset() if use is None or raw.body is None else records.isbns(raw.watched or {}, use)

    def names(self, raw: Raw, who: str) -> bool:
        """Never by id."""
        return False

    def omitted(self, raw: Raw, omit: frozenset[str]) -> Raw:
        """As it is: the fields that name persons are ours, and are written anew without them."""
        return raw

    def assemble(self, title: TitleKey, raws: Mapping[RawKey, Raw], omit: frozenset[str]) -> Mapping[str, Statement]:
        """The metadata, a record each. It names no persons, so `omit` has nothing to leave out."""
        unreadable = [f"{key.kind}/{key.id}: {raw.unreadable}" for key, raw in sorted(raws.items()) if raw.unreadable]
        if unreadable:
            return {"metadata": Statement("unreadable", reason="; ".join(unreadable))}
        found = [
            records.record(key, raw.body, self._tenant.uses[key.kind], self._installation)
            for key, raw in sorted(raws.items())
            if raw.body is not None and key.kind in self._tenant.uses
        ]
        if not found:
            return {"metadata": Statement("gone", reason="4ALLPORTAL has no record of it any more")}
        return {"metadata": Statement("present", Metadata.of(found).body())}


def _version(uses: Sequence[ModuleUse], tenant: str) -> str:
    """Another one for another reading, mapping or installation."""
    said = [
        [use.module, sorted(use.owned), use.marker_work, use.marker_product, use.marker_origin, sorted(use.isbns)]
        for use in uses
    ]
    return f"{READING}-{fingerprint([tenant, sorted(said, key=str)])[:16]}"
