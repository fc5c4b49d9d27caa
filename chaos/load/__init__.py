"""Who uses the gateway meanwhile: submitters at three doors, readers who drop and come back, callers who cancel."""
