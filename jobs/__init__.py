"""What customers see and in which language. Knows nothing of scans or of the dashboard."""
