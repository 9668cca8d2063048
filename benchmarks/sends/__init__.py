"""Sending a campaign: a stand-in for LINE, the crowd, broadcast's own sender and the SDK's loop."""
