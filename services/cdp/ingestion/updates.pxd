# The C types of updates.py when it is compiled.
cimport cython
cimport libs.fastpath._members as _members
from services.cdp.ingestion.persons cimport Link, Person
from services.cdp.ingestion.rows cimport in_utc


@cython.locals(block=_members.RowBlock, person=Person)
cpdef object person_records(object persons)
@cython.locals(block=_members.RowBlock, link=Link)
cpdef object link_records(object links)
