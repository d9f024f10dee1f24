"""The local control plane, PostgreSQL and Git server that the demo and the tests share (design 6)."""
