"""Tree -> resolved tree: what every name means. Nothing after this pass knows what the user called things.

One class, in layers that each use those before: values.py (constants and types), state.py (the scope), names.py,
calls.py, expressions.py, sources.py (FROM), queries.py (clauses; `Resolver` itself).
"""

from libs.hogql.resolver.queries import Resolver
from libs.hogql.resolver.state import Cohort, Context, Cte, Notice

__all__ = ["Cohort", "Context", "Cte", "Notice", "Resolver"]
