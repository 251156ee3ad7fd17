"""What ops own: domains, codes, versions, the destination validator, QR symbols. Knows nothing of scans or pages."""
