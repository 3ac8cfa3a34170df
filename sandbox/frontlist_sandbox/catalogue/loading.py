"""ONIX files into a tenant.

Loading never fails: what cannot be used is in `tenant.rejected`, what was odd and used is in `tenant.noted`.
It makes no contracts, production runs, seasons or in-house formats: ONIX states none. See `grouping` for what makes
a work and `stages` for the project stage that it gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from frontlist_sandbox.catalogue import filling, grouping, reading
from frontlist_sandbox.catalogue.drafts import Draft
from frontlist_sandbox.catalogue.messages import Record, Trouble, records
from frontlist_sandbox.catalogue.values import is_sound
from frontlist_sandbox.consonance.model import Noted, Product, Rejected, Tenant


def load(paths: Sequence[Path], *, today: date, tenant: Tenant | None = None) -> Tenant:
    """Every record of the files, in a new tenant or added to the given one.

    The later record of a RecordReference or a sound ISBN replaces the earlier, also one that the tenant had.
    Works and products have the same ids at every start with the same files.
    """
    tenant = Tenant() if tenant is None else tenant
    intake = _Intake(tenant, today)
    for path in paths:
        for found in records(path):
            intake.take(found)
    filling.fill(tenant, grouping.groups(intake.drafts), today)
    return tenant


class _Intake:
    def __init__(self, tenant: Tenant, today: date) -> None:
        self._tenant = tenant
        self._today = today
        self._drafts: dict[int, Draft] = {}
        self._names: dict[str, int] = {}
        self._count = 0
        self._in_tenant = {name: product for product in tenant.products.values() for name in _names(product)}

    @property
    def drafts(self) -> list[Draft]:
        return list(self._drafts.values())

    def take(self, found: Record | Trouble) -> None:
        if isinstance(found, Trouble):
            self._trouble(found)
            return
        try:
            draft = reading.draft_of(found, self._today)
        except reading.Unusable as reason:
            self._reject(found, str(reason))
        except Exception as error:  # one sender's surprise must not cost the others' records
            self._reject(found, f"could not be read ({type(error).__name__}: {error}); report it as our bug")
        else:
            self._add(draft)

    def _trouble(self, trouble: Trouble) -> None:
        source = trouble.source
        if trouble.fatal:
            self._tenant.rejected.append(Rejected(source.file, source.line, None, trouble.reason))
        else:
            self._tenant.noted.append(Noted(source.file, source.line, None, trouble.reason))

    def _reject(self, record: Record, reason: str) -> None:
        source, reference = record.source, reading.reference_of(record.element)
        self._tenant.rejected.append(Rejected(source.file, source.line, reference, reason))

    def _add(self, draft: Draft) -> None:
        names = _names(draft.product)
        for index in sorted({self._names[name] for name in names if name in self._names}):
            self._replace(self._drafts.pop(index, None), draft)
        for name in sorted(names & self._in_tenant.keys()):
            _remove(self._tenant, self._in_tenant.pop(name), draft)
        self._count += 1
        self._drafts[self._count] = draft
        self._names.update(dict.fromkeys(names, self._count))

    def _replace(self, older: Draft | None, newer: Draft) -> None:
        if older is not None:
            reason = f"replaced by the later record of the same product ({newer.source.file}:{newer.source.line})"
            reference = older.product.record_reference
            self._tenant.rejected.append(Rejected(older.source.file, older.source.line, reference, reason))


def _names(product: Product) -> set[str]:
    """What says that two records are of one product; an unsound number is a placeholder and says nothing."""
    names = {f"reference {product.record_reference}"} if product.record_reference else set[str]()
    return names | {f"number {n}" for n in (product.isbn13, product.gtin13) if n and is_sound(n)}


def _remove(tenant: Tenant, product: Product, newer: Draft) -> None:
    if product.id not in tenant.products:
        return  # gone by its other name
    reason = f"replaced in the tenant by a record of a file ({newer.source.file}:{newer.source.line})"
    tenant.rejected.append(Rejected("tenant", None, product.record_reference or product.isbn13, reason))
    del tenant.products[product.id]
    work = tenant.works[product.work_id]
    shared = [contribution.product_ids for contribution in work.contributions]
    shared += [marketing_text.product_ids for marketing_text in work.marketing_texts]
    shared += [resource.product_ids for resource in work.supporting_resources]
    shared += [run.product_ids for run in work.production_runs]
    for product_ids in shared:
        product_ids[:] = [each for each in product_ids if each != product.id]
    work.contributions = [c for c in work.contributions if c.product_ids]
    work.marketing_texts = [t for t in work.marketing_texts if t.product_ids]
    work.supporting_resources = [r for r in work.supporting_resources if r.product_ids]
    if not tenant.products_of(work.id):
        del tenant.works[work.id]
        for contract_id in [c.id for c in tenant.contracts.values() if c.work_id == work.id]:
            del tenant.contracts[contract_id]
