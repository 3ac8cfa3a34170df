"""What a tenant can do, as a plan may look at it."""

from __future__ import annotations

from frontlist.contract import Capabilities
from frontlist.systems.fourallportal.modules import Module, ModuleUse
from frontlist.systems.fourallportal.tenant import Tenant


async def introspect(tenant: Tenant) -> Capabilities:
    """Fields and value options of each module in use, read now."""
    known = {name: await tenant.learn(name) for name in tenant.uses}
    return Capabilities(
        fields={name: frozenset(one.module.by_name) for name, one in known.items()},
        creatable={name: _why_not(one.module, tenant.uses[name]) for name, one in known.items()},
        values={key: allowed for one in known.values() for key, allowed in one.options.items()}
        | {
            f"{name}.{each.name}": one.options[each.option_key]
            for name, one in known.items()
            for each in one.module.fields
            if each.option_key and each.option_key in one.options
        },
    )


def _why_not(module: Module, use: ModuleUse) -> str | None:
    """What cannot carry our marker may not be created: it could not be found again."""
    missing = sorted(use.markers - set(module.by_name))
    return f"module {module.name} has no field {', '.join(missing)} for our marker" if missing else None
