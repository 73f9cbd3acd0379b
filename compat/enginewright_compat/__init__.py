"""What every release must be able to tell about any artifact, with nothing but Python and `packaging` installed."""

DOCS_URL = "https://enginewright.readthedocs.io/en/stable"
