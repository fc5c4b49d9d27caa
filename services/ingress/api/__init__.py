"""The HTTP door: thin routes, the bodies they take and give, and the only place that knows status codes."""
