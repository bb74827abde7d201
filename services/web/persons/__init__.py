"""Persons of a project, as far as the right to be forgotten and to know needs them: find, export, delete."""
