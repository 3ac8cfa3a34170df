"""Tenants served over real HTTP, fresh for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from frontlist_sandbox import serving
from frontlist_sandbox.fourallportal import server as dam
from unit.sandbox_fourallportal.tenant import Tenant


@pytest.fixture
def serve() -> Iterator[Callable[..., Tenant]]:
    """Start a tenant with options of `server.app`."""
    with ExitStack() as stack:

        def start(**options: Any) -> Tenant:
            url = stack.enter_context(serving.serve(dam.app(**options))).url
            tenant = Tenant(url, options.get("key", dam.KEY))
            stack.callback(tenant.close)
            return tenant

        yield start


@pytest.fixture(scope="session")
def shared_tenant() -> Iterator[Tenant]:
    """Starting and stopping a server takes 0.2 s, resetting one takes 10 ms."""
    with serving.serve(dam.app()) as server:
        tenant = Tenant(server.url)
        yield tenant
        tenant.close()


@pytest.fixture
def tenant(shared_tenant: Tenant) -> Tenant:
    """The shared tenant as it was at its start, without faults."""
    shared_tenant.sandbox.post("/reset").raise_for_status()
    shared_tenant.sandbox.delete("/faults").raise_for_status()
    return shared_tenant
