"""Every rule of the conformance kit, over our samples."""

from acme_newsletter.plugin import Newsletter

from frontlist.testing import conformance

test_newsletter = conformance(Newsletter())
