"""How each program of the control plane is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.ports import LOOPBACK
from ocdp_operator.dev.process import Command

# Sockets in the private state directory, not TCP: etcd has no other protection here. Its flags insist on a port, which is
# then part of the file's name; the path is relative to the state directory, so its length never matters.
_CLIENTS: Final = "unix://etcd:1"
_PEERS: Final = "unix://etcd:2"

SERVICE_RANGE: Final = "10.96.0.0/16"
POD_RANGE: Final = "10.64.0.0/14"

AUDIT_POLICY: Final = """\
# Who changed what, dry-run or not (requestURI tells); never the content, which may be secret.
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
  - level: None
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """The files in the state directory of one control plane."""

    directory: Path

    @property
    def authority(self) -> Path:
        """The certificate that signed the API server's own."""
        return self.directory / "ca.crt"

    @property
    def serving_certificate(self) -> Path:
        """What the API server made for itself."""
        return self.directory / "serving" / "apiserver.crt"

    @property
    def signing_key(self) -> Path:
        """Signs service-account tokens."""
        return self.directory / "service-account.key"

    @property
    def tokens(self) -> Path:
        """The API server's static tokens."""
        return self.directory / "tokens.csv"

    @property
    def audit_policy(self) -> Path:
        """What is logged."""
        return self.directory / "audit-policy.yaml"

    @property
    def audit_log(self) -> Path:
        """One JSON event a line."""
        return self.directory / "audit.log"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of one of the control plane's own users."""
        return self.directory / f"{user}.kubeconfig"


@dataclass(frozen=True, slots=True)
class Components:
    """The commands."""

    layout: Layout
    binaries: Binaries

    def etcd(self) -> Command:
        """The store; nothing it holds outlives the run, so nothing is synced to disk."""
        return self._command(
            "etcd",
            self.binaries.etcd,
            f"--data-dir={self.layout.directory / 'etcd-data'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={_CLIENTS}",
            f"--advertise-client-urls={_CLIENTS}",
            f"--listen-peer-urls={_PEERS}",
            f"--initial-advertise-peer-urls={_PEERS}",
            f"--initial-cluster=default={_PEERS}",
            "--log-level=warn",
        )

    def apiserver(self, port: int) -> Command:
        """The API server, on the loopback address, with a certificate it makes for itself."""
        return self._command(
            "kube-apiserver",
            self.binaries.kube_apiserver,
            f"--etcd-servers={_CLIENTS}",
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            f"--secure-port={port}",
            f"--cert-dir={self.layout.serving_certificate.parent}",
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            "--allow-privileged=true",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            f"--token-auth-file={self.layout.tokens}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.layout.signing_key}",
            f"--service-account-signing-key-file={self.layout.signing_key}",
            f"--audit-policy-file={self.layout.audit_policy}",
            f"--audit-log-path={self.layout.audit_log}",
            "--audit-log-maxsize=10240",
            "--profiling=false",
        )

    def controller_manager(self, user: str) -> Command:
        """All controllers, each as its own account, with the provisioner for hostPath volumes."""
        return self._command(
            "kube-controller-manager",
            self.binaries.kube_controller_manager,
            f"--kubeconfig={self.layout.kubeconfig(user)}",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.layout.signing_key}",
            f"--root-ca-file={self.layout.authority}",
            "--enable-hostpath-provisioner=true",
            # A simulated node never dies: a heartbeat that comes late on a busy machine must not end its pods.
            "--node-monitor-grace-period=24h",
            *_UNSERVED,
        )

    def scheduler(self, user: str) -> Command:
        """The scheduler."""
        return self._command(
            "kube-scheduler",
            self.binaries.kube_scheduler,
            f"--kubeconfig={self.layout.kubeconfig(user)}",
            *_UNSERVED,
        )

    def kwok(self, user: str, stages: tuple[Path, ...]) -> Command:
        """Plays the kubelet of every node."""
        return self._command(
            "kwok",
            self.binaries.kwok,
            f"--kubeconfig={self.layout.kubeconfig(user)}",
            "--manage-all-nodes=true",
            f"--cidr={POD_RANGE}",
            f"--node-ip={LOOPBACK}",
            *(f"--config={stage}" for stage in stages),
        )

    def _command(self, name: str, program: Path, *arguments: str) -> Command:
        directory = self.layout.directory
        return Command(
            name,
            (str(program), *arguments),
            cwd=directory,
            log=directory / f"{name}.log",
            env={"HOME": str(directory)},
        )


# One of each runs, and nobody asks them: no election, no port. Tests create much at once.
_UNSERVED: Final = (
    "--secure-port=0",
    "--leader-elect=false",
    "--profiling=false",
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
)
