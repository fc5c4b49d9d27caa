"""After the ledger was written: budgets' book in Redis is settled, and alerts are told."""
