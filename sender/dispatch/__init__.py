"""From the queue to a mail host: who may send now, through which address, and what came of it."""
