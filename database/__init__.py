"""Control data: engine, schema, migrations, transactions, change feed. Knows nothing of codes' rules or of scans."""
