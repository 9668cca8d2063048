"""The story: a thousand friends played through the running stack, and a report of what was lost or came twice."""
