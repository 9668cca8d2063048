"""Who a contact is, as binding tells it: the projection of member.state."""
