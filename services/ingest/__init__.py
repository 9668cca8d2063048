"""The only door strangers knock on: webhooks, callbacks and links onto Kafka."""
