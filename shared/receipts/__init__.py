"""Receipts: what a file says about its making, and whether it is still true. Names load on first use."""

from typing import TYPE_CHECKING

from shared.imports import lazily

if TYPE_CHECKING:
    from shared.receipts.location import NoReceiptError
    from shared.receipts.verification import Verification, find_receipt, read_receipt, verify

__all__ = [
    "NoReceiptError",
    "Verification",
    "find_receipt",
    "read_receipt",
    "verify",
]

__getattr__ = lazily(
    __name__,
    {
        "NoReceiptError": "location",
        "Verification": "verification",
        "find_receipt": "verification",
        "read_receipt": "verification",
        "verify": "verification",
    },
)
