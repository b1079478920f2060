"""How finished calls come in: files, streams, folders, buckets and what events name."""
