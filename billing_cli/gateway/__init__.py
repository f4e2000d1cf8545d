"""What lies outside the database: files of events, and later the services spoken to."""
