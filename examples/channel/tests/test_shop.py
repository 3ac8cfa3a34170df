"""Every rule of the conformance kit, over our samples."""

from acme_shop.plugin import Shop

from frontlist.testing import conformance

test_shop = conformance(Shop(), targets=["shop"])
