"""The engine ``databricks``: a step becomes a run there, which calls the same ``build`` as here."""
