"""Where the API server is and who we are there: a kubeconfig that was named on purpose, or the pod's own account."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from ocdp_operator.adapters.cluster.kubeconfig import Kubeconfig, KubeconfigFiles
from ocdp_operator.errors import SettingsError

_TOKEN_SECONDS: Final = 60.0
"""Between two looks at a token's file."""
_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Login:
    """Reads kubeconfigs or the pod's account by the official client's rules, and reads it anew when asked.

    Of several kubeconfigs the first that names a cluster, user or context is believed, and a missing one is passed over.

    A token in a file, the pod's own or a kubeconfig's ``tokenFile``, is read again every minute, as it is rotated; what an
    exec plugin gave, on ``load``.
    """

    def __init__(self, kubeconfig: Path | Sequence[Path] | None = None, context: str | None = None) -> None:
        self._kubeconfig = None if kubeconfig is None else KubeconfigFiles.at(kubeconfig)
        self._context = context
        self._namespace = ""
        self._configuration: Any = Configuration()
        self._ssl: ssl.SSLContext | None = None

    async def load(self) -> None:
        """Reads everything. Raises SettingsError when it cannot be used; then what was read before stays."""
        fresh = Configuration()
        try:
            if self._kubeconfig is None:
                load_incluster_config(client_configuration=fresh)  # type: ignore[no-untyped-call]
                namespace = _POD_NAMESPACE.read_text().strip() if _POD_NAMESPACE.is_file() else ""
            else:
                namespace = await self._read(self._kubeconfig, fresh)
            context = RESTClientObject(fresh).ssl_context
        except (
            ConfigException,
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            yaml.YAMLError,
        ) as error:
            raise SettingsError(self._complaint(error)) from None
        self._configuration, self._ssl, self._namespace = fresh, context, namespace

    async def _read(self, files: KubeconfigFiles, fresh: Any) -> str:
        """Fills the configuration in, and gives the context's namespace."""
        read = files.read()
        # Named here, since of several files the official client takes the last one's current context.
        context = self._context or read.current_context or None
        await load_kube_config(  # type: ignore[no-untyped-call]
            config_file=files.joined, context=context, client_configuration=fresh, persist_config=False
        )
        _follow_token_file(fresh, read, context or "")
        return str(read.context(context or "").get("namespace") or "")

    @property
    def namespace(self) -> str:
        """The namespace that the context, or the pod's own account, stands in; empty: none."""
        return self._namespace

    @property
    def authorization(self) -> str:
        """The ``Authorization`` header as of now; empty where a client certificate speaks for us."""
        refresh = self._configuration.refresh_api_key_hook
        if refresh is not None:
            # The file may just be exchanged: then the old token, once more.
            with suppress(ConfigException, OSError):
                refresh(self._configuration)
        return str(self._configuration.api_key.get("BearerToken", "")).strip()

    @property
    def server(self) -> str:
        """The API server's URL, without a trailing slash."""
        return str(self._configuration.host).rstrip("/")

    @property
    def ssl(self) -> ssl.SSLContext:
        """Trusts the cluster's authority, and holds our client certificate if there is one."""
        if self._ssl is None:
            raise SettingsError("The login was not loaded.")
        return self._ssl

    @property
    def server_name(self) -> str | None:
        """The name in the API server's certificate, where it is not that of the URL."""
        return self._configuration.tls_server_name or None

    @property
    def proxy(self) -> str | None:
        """The proxy of this cluster's kubeconfig entry."""
        return self._configuration.proxy or None

    def connection_info(self) -> dict[str, Any]:
        """The same login as keyword arguments of an event source: server, authority, token or certificate, as of now."""
        configuration = self._configuration
        scheme, _, token = self.authorization.partition(" ")
        info = {
            "server": self.server,
            "ca_path": configuration.ssl_ca_cert,
            "insecure": None if configuration.verify_ssl else True,
            "scheme": scheme.capitalize(),
            "token": token,
            "certificate_path": configuration.cert_file,
            "private_key_path": configuration.key_file,
            "proxy_url": configuration.proxy,
        }
        return {name: value for name, value in info.items() if value}

    def _complaint(self, error: Exception) -> str:
        if self._kubeconfig is None:
            return "There is no service account here to log in with: name a kubeconfig in the settings."
        if isinstance(error, OSError):
            return f"The kubeconfig {self._kubeconfig} or a file it names cannot be read: {error.strerror}."
        if isinstance(error, ConfigException):
            said = str(error)
            for path in self._kubeconfig.paths:
                said = said.replace(str(path), "it")
            return f"The kubeconfig {self._kubeconfig} cannot be used: {said}"
        return f"The kubeconfig {self._kubeconfig} does not exist or is not one."


def _follow_token_file(configuration: Any, kubeconfig: Kubeconfig, context: str) -> None:
    """Where the kubeconfig's user has a ``tokenFile``, that is its token, as of now; it goes before ``token``.

    So it is with Kubernetes' own client (client-go, ``transport.NewCachedFileTokenSource``). The official Python client
    reads the file once.
    """
    file = kubeconfig.token_file(context)
    if file is None:
        return
    read_at = float("-inf")

    def refresh(configuration: Any) -> None:
        nonlocal read_at
        if monotonic() - read_at < _TOKEN_SECONDS:
            return
        token = file.read_text().strip()
        if token:
            configuration.api_key["BearerToken"] = f"Bearer {token}"
            read_at = monotonic()

    refresh(configuration)
    configuration.refresh_api_key_hook = refresh
