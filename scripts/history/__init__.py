"""Bringing history in: readings from a CSV file into energy_readings, production_data or environmental_data."""
