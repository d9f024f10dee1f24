"""The Kubernetes API: claims and their objects (``KubeCluster``), what the watches see (``Reflector``), whose turn it is (``Leadership``)."""

from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.cluster import KubeCluster
from ocdp_operator.adapters.cluster.connection import Login
from ocdp_operator.adapters.cluster.identity import KubeIdentityPolicy
from ocdp_operator.adapters.cluster.lease import Leadership, LeaseTerms
from ocdp_operator.adapters.cluster.listening import listening_session
from ocdp_operator.adapters.cluster.pulse import Pulse
from ocdp_operator.adapters.cluster.reflector import Reflector
from ocdp_operator.adapters.cluster.trials import KubeTrials
from ocdp_operator.adapters.cluster.watch import Patience

__all__ = [
    "KubeClient",
    "KubeCluster",
    "KubeIdentityPolicy",
    "KubeTrials",
    "Leadership",
    "LeaseTerms",
    "Login",
    "Patience",
    "Pulse",
    "Reflector",
    "listening_session",
]
