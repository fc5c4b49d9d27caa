"""When may a call to a provider begin, so that its limits are used up and never passed? Pure."""
