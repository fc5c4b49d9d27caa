"""What breaks: the real servers, every service as a process, and a breakable link between any two of them."""
