"""Prints, as JSON, what the reference implementation finds in each of the given PNG files.

Usage: oracle.py ROOTS.pem FILE...
"""

import json
import sys

import c2pa

CLAIM_SIGNING = "1.3.6.1.4.1.62558.2.1"


def found(path: str, context: c2pa.Context) -> dict:
    """The state and the status codes of the active manifest."""
    with open(path, "rb") as png:
        try:
            reader = c2pa.Reader("image/png", png, context=context)
        except c2pa.C2paError as error:
            return {"error": str(error)}
        results = json.loads(reader.json())
    codes = results["validation_results"]["activeManifest"]
    kinds = ("success", "informational", "failure")
    return {kind: sorted({one["code"] for one in codes.get(kind, [])}) for kind in kinds}


def main() -> None:
    roots, *files = sys.argv[1:]
    with open(roots, encoding="ascii") as pem:
        trust = {"trust_anchors": pem.read(), "trust_config": CLAIM_SIGNING}
    verify = {"verify_trust": True, "verify_timestamp_trust": True}
    context = c2pa.Context(c2pa.Settings.from_dict({"trust": trust, "verify": verify}))
    print(json.dumps([found(path, context) for path in files]))


main()
