"""A file of requests on its way into Sluice: read line by line, sent through a door, remembered, waited for."""
