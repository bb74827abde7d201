# The C types of updates.py when it is compiled.
from services.cdp.ingestion.rows cimport in_utc


cpdef object person_record(object person)
cpdef object link_record(object link)
