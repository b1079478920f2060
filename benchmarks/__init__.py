"""What callseal claims, measured: a labelled corpus, a scorer and the runs that compare it with the stock chain."""
