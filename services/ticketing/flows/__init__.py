"""Guided chats as data: a definition asks its questions in order, a session keeps the answers (F36, F77, F78, F94)."""
