"""Who may ask, and who asked: API keys and the audit log, in SQLite or PostgreSQL.

    Database (engine) ◀── upgrade (Alembic, migrations/)
        ▲
        ├── KeyStore (keys)      api_keys: digests, scopes, limits; never a key's text
        └── AuditStore (audit)   audit: who asked what, when, and how it ended

`tests/unit/database/` runs every test against both databases.
"""
