"""How Musubi is put onto machines."""
