"""The command line of Musubi."""
