"""The conformance kit: a plugin's whole test file is one statement.

    test_newsletter = conformance(Newsletter(), dossiers=[dossier("work:1", sample("consonance", "metadata"))])

pytest then runs one test a rule (`RULES`), over the dossiers given, sample dossiers, and variants of all of them.
`violations` is the same without pytest. `document`, `sample`, `dossier` and `context` build what a plan gets;
`NOW` is their time.
"""

from frontlist.testing.building import NOW, context, document, dossier, sample
from frontlist.testing.conforming import RULES, Violation, conformance, violations

__all__ = ["NOW", "RULES", "Violation", "conformance", "context", "document", "dossier", "sample", "violations"]
