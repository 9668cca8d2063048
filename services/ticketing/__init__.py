"""The conversation desk: threads, automatic answers, guided flows, tickets."""

SERVICE = "ticketing"
