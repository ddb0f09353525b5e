"""The run store on its real backends."""
