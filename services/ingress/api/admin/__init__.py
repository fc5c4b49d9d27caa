"""`/admin/v1`: who may ask, as administrators see and change it. An application of its own, with keys of its own."""
