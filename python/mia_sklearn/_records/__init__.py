"""Tables of records, whatever library holds them: rows, checks, encodings, digests."""
