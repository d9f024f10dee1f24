"""One outside world each: PostgreSQL, Git, kustomize, Kubernetes. They raise our errors only."""
