"""What binding answers to a friend: greetings and the outcome of an account link; by reply, else pushed once."""
