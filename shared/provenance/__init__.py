"""Receipts: what a file says about its making, and whether it is still true. Names load on first use."""

from typing import TYPE_CHECKING

from shared.exports import lazily

if TYPE_CHECKING:
    from shared.provenance.checking import Verification, find_receipt, read_receipt, verify
    from shared.provenance.places import NoReceiptError
    from shared.provenance.writing import write_with_receipt

__all__ = [
    "NoReceiptError",
    "Verification",
    "find_receipt",
    "read_receipt",
    "verify",
    "write_with_receipt",
]

__getattr__ = lazily(
    __name__,
    {
        "NoReceiptError": "places",
        "Verification": "checking",
        "find_receipt": "checking",
        "read_receipt": "checking",
        "verify": "checking",
        "write_with_receipt": "writing",
    },
)
