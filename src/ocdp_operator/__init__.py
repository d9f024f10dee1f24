"""The OCDP operator: a small claim becomes a running workload."""

__version__ = "0.1.0"
