"""The SQL page. Its queries go from the browser to the query API."""
