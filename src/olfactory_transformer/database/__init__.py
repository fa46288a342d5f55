"""API keys, the audit log, and what is known of sensors, in SQLite or PostgreSQL.

    Database (engine) ◀── upgrade (Alembic, migrations/)
        ▲
        ├── KeyStore (keys)      api_keys: digests, scopes, limits; never a key's text
        ├── AuditStore (audit)   audit: who asked what, when, and how it ended
        └── CalibrationStore (calibrations)  calibrations: each that was made; the newest counts

`tests/unit/database/` runs every test against both databases.
"""
