"""The stack in containers: the same commands as on the local stack, with STACK=docker."""
