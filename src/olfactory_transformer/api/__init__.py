"""The HTTP server: `create_app(settings, engine)` in `app`, `run(settings)` in `server`."""
