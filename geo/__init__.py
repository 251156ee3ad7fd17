"""Address -> place and network. Owns the place databases on disk; knows nothing of codes or scans."""
