"""The Kubernetes API: claims and their objects (``KubeCluster``), and what the watches see (``Reflector``)."""

from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.cluster import KubeCluster
from ocdp_operator.adapters.cluster.connection import Login
from ocdp_operator.adapters.cluster.reflector import Reflector

__all__ = ["KubeClient", "KubeCluster", "Login", "Reflector"]
