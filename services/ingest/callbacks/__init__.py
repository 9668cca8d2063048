"""Signed callbacks of shops and donation sites."""
