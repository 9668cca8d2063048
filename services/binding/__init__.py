"""Who is this friend: members and their identities."""
