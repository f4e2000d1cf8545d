"""Commands: parse, call one service, hand rows to output. One file a noun."""
