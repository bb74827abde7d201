"""Who may call: the caller, its scopes and its team, decided by one function that every service uses.

model.py        Caller, Team, Organization, User: plain data
tokens.py       the keys we hand out: how they are made, stored and shown
credentials.py  where in a request a credential may be, and which place counts
decide.py       may this caller do this to that team: plain functions
csrf.py         does this request come from our own pages
passwords.py    Argon2, off the loop
sessions.py     sessions in the `state` server
lockout.py      how many wrong passwords, from where
repository.py   the SQL
access.py       Access: reads a request's credentials, asks the repository, decides
dependencies.py the same as FastAPI dependencies
bootstrap.py    the first user, organization and project of an instance
"""

from libs.kit.access.access import Access, Authorised, AuthorisedOrganization
from libs.kit.access.model import Caller, Organization, Team, User

__all__ = ["Access", "Authorised", "AuthorisedOrganization", "Caller", "Organization", "Team", "User"]
