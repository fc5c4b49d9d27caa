"""Which deployment is asked, when and how often. Pure."""
