"""Validating the manifest repository (docs/manifests.md): no cluster, no catalog, no Git, nothing fetched."""
