"""Pure rules of time, quantity and money: no database, clock, environment, file or log."""
