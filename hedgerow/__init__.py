"""The composition root: the command line, the supervisor and the engines it starts on one machine.

The only package that imports several services.
"""

__version__ = "0.1.0"
