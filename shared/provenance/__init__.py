"""Receipts: what a file says about its making, and whether it is still true."""

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
