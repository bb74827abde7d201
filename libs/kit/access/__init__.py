"""Who may call: the caller, its scopes and its team, decided by one function that every service uses.

model.py       Caller, Team, scopes: plain data
decide.py      may this caller do this to that team: plain functions
repository.py  the SQL
access.py      Access: reads a request's credentials, asks the repository, decides
"""

from libs.kit.access.model import Caller, Team

__all__ = ["Caller", "Team"]
